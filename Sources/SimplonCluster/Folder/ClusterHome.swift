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
    #if os(Linux)
      let locale = "C.UTF-8"
    #else
      let locale = "C"
    #endif
    var words = [
      "\(programs.folder)/initdb", "-D", fresh, "-U", ClusterState.Login.admin.rawValue, "--pwfile=\(passwordFile)",
      "--auth=scram-sha-256", "--encoding=UTF8", "--locale=\(locale)", "--data-checksums", "--no-instructions",
    ]
    if !durable { words.append("--no-sync") }
    let shell = ["sh", "-c", #"exec "$@""#, "sh"] + user.command(words)
    let outcome = try await ServerCommand(shell, programs: programs).run()
    guard outcome.succeeded else {
      try? FileManager.default.removeItem(atPath: fresh)
      throw SimplonError.server(outcome.output + outcome.complaints, program: "initdb", folder: path, port: nil)
    }
    guard rename(fresh, data) == 0 else { throw SimplonError.system("name", data, errno) }
  }

  /// Writes the server's settings and its rule who may connect.
  func write(_ settings: ClusterSettings, user: ServerUser) throws(SimplonError) {
    try writeFile(settings.text, to: "\(data)/postgresql.conf", owner: user)
    try writeFile(settings.access, to: "\(data)/pg_hba.conf", owner: user)
  }

  /// Makes the folder of the Unix socket: inside when the path is short enough for a socket's address, else in the
  /// user's runtime folder or `/tmp`.
  ///
  /// - Source: unix(7): a path has at most 107 bytes; ours adds `/.s.PGSQL.65535.lock`.
  func socketFolder(user: ServerUser, id: String) throws(SimplonError) -> String {
    var folder = "\(path)/run"
    if folder.utf8.count > 107 - 20 {
      let runtime = user.other == nil ? ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] : nil
      folder = "\(runtime ?? "/tmp")/simplon-\(id)"
      if folder.utf8.count > 107 - 20 { folder = "/tmp/simplon-\(id)" }
    }
    try user.makeFolder(folder)
    return folder
  }
}
