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

/// The folder that belongs to PostgreSQL's user: the cluster in `data`, the socket in `run`.
struct ClusterHome: Sendable {
  let path: String

  /// The cluster.
  var data: String { "\(path)/data" }

  /// The major version that made the cluster, or nil when there is none.
  var version: Int? {
    guard let text = try? Data(contentsOf: URL(filePath: "\(data)/PG_VERSION")) else { return nil }
    return Int(String(decoding: text, as: UTF8.self).prefix { $0.isASCII && $0.isNumber })
  }

  /// Makes the cluster, with `supabase_admin` as its superuser.
  ///
  /// What an interrupted attempt left is removed first, and the cluster gets its name only when it is whole.
  ///
  /// - Throws: `storage.full`, `dev.postgres_failed`.
  func make(programs: ServerPrograms, user: ServerUser, password: String, durable: Bool) async throws {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where name.hasSuffix(".new") {
      try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }
    // A name of its own, as the initdb of a killed Simplon may still be writing to the last one.
    let fresh = "\(path)/data-\(UInt32.random(in: .min ... .max)).new"
    let passwordFile = "\(path)/password"
    try writeFile(password + "\n", to: passwordFile, owner: user)
    defer { unlink(passwordFile) }
    // Text is ordered by its bytes, which is the order of its characters too and needs no call of the C library.
    var words = [
      "\(programs.folder)/initdb", "-D", fresh, "-U", ClusterState.Login.admin.rawValue, "--pwfile=\(passwordFile)",
      "--auth=scram-sha-256", "--encoding=UTF8", "--lc-collate=C", "--data-checksums", "--no-instructions",
    ]
    #if os(Linux)
      words += ["--locale=C.UTF-8", "--no-sync"]
    #else
      words += ["--locale=C"] + (durable ? [] : ["--no-sync"])
    #endif
    let outcome = try await ServerCommand(user.command(words), programs: programs).run()
    guard outcome.succeeded else {
      try? FileManager.default.removeItem(atPath: fresh)
      throw SimplonError.server(outcome.output + outcome.complaints, program: "initdb", folder: path, port: nil)
    }
    #if os(Linux)
      if durable { try await sync(fresh) }
    #endif
    guard rename(fresh, data) == 0 else { throw SimplonError.system("name", data, errno) }
  }

  #if os(Linux)
    /// Brings the folder's file system to the disk in one call, where initdb would ask for each of a thousand files.
    ///
    /// - Source: syncfs(2): since Linux 5.8 it tells of a write that failed; PostgreSQL manual, initdb, `--sync-method`.
    private func sync(_ folder: String) async throws {
      let outcome = try await ServerCommand(["sync", "-f", folder], programs: nil).run()
      guard outcome.succeeded else {
        throw SimplonError.server(outcome.complaints, program: "sync", folder: path, port: nil)
      }
    }
  #endif

  /// Writes the server's settings and its rule who may connect.
  func write(_ settings: ClusterSettings, user: ServerUser) throws(SimplonError) {
    try writeFile(settings.text, to: "\(data)/postgresql.conf", owner: user)
    try writeFile(settings.access, to: "\(data)/pg_hba.conf", owner: user)
  }

  /// Makes the folder of the Unix socket: inside when the path does for a socket's address, else in the user's runtime
  /// folder or `/tmp`.
  ///
  /// - Source: unix(7): a path has at most 107 bytes; ours adds `/.s.PGSQL.65535.lock`. PostgreSQL manual, "Parameter Key
  ///   Words": a comma separates hosts and cannot be escaped.
  func socketFolder(user: ServerUser, id: String) throws(SimplonError) -> String {
    let runtime = user.other == nil ? ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] : nil
    let places = ["\(path)/run"] + (runtime.map { ["\($0)/simplon-\(id)"] } ?? [])
    let folder = places.first { place in
      place.utf8.count <= 107 - 20 && !place.utf8.contains { "',\\".utf8.contains($0) }
    }
    let found = folder ?? "/tmp/simplon-\(id)"
    try user.makeFolder(found)
    return found
  }
}
