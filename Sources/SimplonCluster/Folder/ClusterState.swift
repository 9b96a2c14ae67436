package import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a data folder remembers beside its data: the generated secrets, and which programs made the cluster.
///
/// It is the file `state.json`, readable by its owner alone. What a newer binary added to it stays there when an older
/// one writes it, so that a folder survives a change of binary in either direction.
package struct ClusterState: Hashable, Sendable {
  /// A name for this folder that no other folder has.
  package var id: String
  /// The folder of the server programs used last.
  package var programs: String?
  /// The port on 127.0.0.1 used last, or nil when it was the Unix socket alone.
  package var port: Int?
  /// The password of each login.
  package var passwords: [Login: String]
  /// The secret that signs development tokens (HS256).
  package var jwtSecret: String
  /// The key that stands for the role `anon`.
  package var publishableKey: String
  /// The key that stands for the role `service_role`.
  package var secretKey: String
  /// What the running server wrote down for `simplon status` and the HTTP commands, such as `api_url`.
  package var notes: [String: String]

  /// The file as it was read, with what this binary does not know.
  private var stored: [String: JSON] = [:]

  /// The logins of a private cluster.
  package enum Login: String, CaseIterable, Sendable {
    /// The superuser, as on Supabase.
    case admin = "supabase_admin"
    /// The owner of the database and of all tables; no superuser.
    case owner = "postgres"
    /// What serves callers; may become anon, authenticated or service_role.
    case api = "simplon_api"
    /// What works; service_role from login on.
    case worker = "simplon_worker"
  }

  /// Makes new secrets.
  package init(using generator: inout some RandomNumberGenerator) {
    id = Secret.random(9, using: &generator)
    passwords = [:]
    for login in Login.allCases { passwords[login] = Secret.password(using: &generator) }
    jwtSecret = Secret.jwtSecret(using: &generator)
    publishableKey = Secret.publishableKey(using: &generator)
    secretKey = Secret.secretKey(using: &generator)
    notes = [:]
  }

  /// Reads the state of a folder, or nil when the folder has none.
  ///
  /// - Throws: `dev.postgres_failed` when it cannot be read.
  package static func read(from folder: String) throws(SimplonError) -> ClusterState? {
    let path = file(in: folder)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      return try ClusterState(json: JSON(parsing: Array(Data(contentsOf: URL(filePath: path)))))
    } catch {
      throw SimplonError(
        .devPostgresFailed, "the state file \(path) cannot be read",
        hint: "Put a copy of it back, or remove the whole folder to begin anew.", cause: error)
    }
  }

  /// Writes the state; a reader sees the old text or the new one, never a part.
  ///
  /// - Throws: `storage.full`, `dev.postgres_failed`.
  package func write(to folder: String) throws(SimplonError) {
    try writeFile(json.text + "\n", to: Self.file(in: folder))
  }

  /// The connection string for a login over the Unix socket.
  func dsn(_ login: Login, database: String, socketFolder: String, port: Int) -> String {
    let password = passwords[login] ?? ""
    return "host='\(socketFolder)' port=\(port) user=\(login.rawValue) password=\(password) dbname=\(database)"
  }

  private static func file(in folder: String) -> String { "\(folder)/state.json" }
}

extension ClusterState {
  private init(json: JSON) throws(SimplonError) {
    var fields = try Fields(json, "the state file")
    guard let id = try fields.string("id"), let jwtSecret = try fields.string("jwt_secret"),
      let publishableKey = try fields.string("publishable_key"), let secretKey = try fields.string("secret_key"),
      let words = try fields.object("passwords")
    else { throw SimplonError(.devPostgresFailed, "the state file lacks a field") }
    self.id = id
    self.jwtSecret = jwtSecret
    self.publishableKey = publishableKey
    self.secretKey = secretKey
    programs = try fields.string("programs")
    port = try fields.integer("port", in: 1...65535)
    notes = (try fields.object("notes") ?? [:]).compactMapValues(\.string)
    stored = json.object ?? [:]
    passwords = [:]
    for login in Login.allCases {
      guard let password = words[login.rawValue]?.string else {
        throw SimplonError(.devPostgresFailed, "the state file lacks the password of \(login.rawValue)")
      }
      passwords[login] = password
    }
  }

  private var json: JSON {
    var words = stored["passwords"]?.object ?? [:]
    for (login, password) in passwords { words[login.rawValue] = .string(password) }
    var members = stored
    members["id"] = .string(id)
    members["jwt_secret"] = .string(jwtSecret)
    members["publishable_key"] = .string(publishableKey)
    members["secret_key"] = .string(secretKey)
    members["notes"] = .object(notes.mapValues { .string($0) })
    members["passwords"] = .object(words)
    members["programs"] = programs.map { .string($0) }
    members["port"] = port.map { .integer($0) }
    return .object(members)
  }
}

extension ClusterState: CustomStringConvertible {
  /// Its name alone: whatever holds a state may be logged, and secrets never are.
  package var description: String { "ClusterState \(id)" }
}
