import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The data folder of a Simplon on one machine: its lock, its state, its log, and the home of PostgreSQL.
struct ClusterFolder: Sendable {
  /// The absolute path, free of links.
  let path: String

  /// Makes the folder where there is none.
  ///
  /// - Throws: `config.invalid` for a path that PostgreSQL's own files cannot hold, `storage.full`,
  ///   `dev.postgres_failed`.
  init(_ path: String) throws(SimplonError) {
    guard path.utf8.allSatisfy({ $0 >= 0x20 }) else {
      throw SimplonError(.configInvalid, "the data folder's path holds a line break or another control character")
    }
    do {
      // As root, PostgreSQL runs as another user, who must be able to pass; what is secret has mode 0600 or 0700.
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: geteuid() == 0 ? 0o711 : 0o700]
      )
    } catch {
      guard let code = (error as? CocoaError)?.underlying as? POSIXError else {
        throw SimplonError(.devPostgresFailed, "the folder \(path) cannot be made", cause: error)
      }
      throw SimplonError.system("make the folder", path, code.code.rawValue)
    }
    guard let real = realpath(path, nil) else { throw SimplonError.system("find", path, errno) }
    self.path = String(cString: real)
    free(real)
  }

  /// Whether a cluster was made here.
  var holdsCluster: Bool { ClusterHome(path: postgres).version != nil }

  private var postgres: String { "\(path)/postgres" }

  /// Keeps the folder out of commits, as it often lies in a checkout and holds secrets.
  ///
  /// - Throws: `storage.full`, `dev.postgres_failed`.
  func hideFromGit() throws(SimplonError) {
    if access("\(path)/.gitignore", F_OK) != 0 { try writeFile("*\n", to: "\(path)/.gitignore") }
  }

  /// PostgreSQL's part of the folder.
  ///
  /// Where PostgreSQL's user cannot pass through the folders above (root's home, for one), the part lies under
  /// `/var/lib/simplon` and the folder holds a link to it.
  ///
  /// - Throws: `storage.full`, `dev.postgres_failed`.
  func home(of user: ServerUser, id: String) async throws -> ClusterHome {
    if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: postgres) {
      return ClusterHome(path: target)
    }
    try user.makeFolder(postgres)
    if await user.canWrite(postgres) { return ClusterHome(path: postgres) }
    let elsewhere = "/var/lib/simplon/\(id)"
    guard rmdir(postgres) == 0 else { throw SimplonError.system("move", postgres, errno) }
    do {
      try FileManager.default.createDirectory(
        atPath: "/var/lib/simplon", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      try user.makeFolder(elsewhere)
      try FileManager.default.createSymbolicLink(atPath: postgres, withDestinationPath: elsewhere)
    } catch let error as SimplonError {
      throw error
    } catch {
      throw SimplonError(.devPostgresFailed, "the folder \(elsewhere) cannot be made", cause: error)
    }
    return ClusterHome(path: elsewhere)
  }
}
