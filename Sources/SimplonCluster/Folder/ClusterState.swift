package import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a data folder remembers beside its data: the generated secrets, and which programs made the cluster.
///
/// It is the file `state.json`, readable by its owner alone.
package struct ClusterState: Hashable, Sendable {
  /// A name for this folder that no other folder has.
  package var id: String
  /// The folder of the server programs used last.
  package var programs: String?
  /// The port on 127.0.0.1 used last.
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
  package init() {
    id = Self.random(bytes: 8)
    passwords = Dictionary(uniqueKeysWithValues: Login.allCases.map { ($0, Self.random(bytes: 24)) })
    jwtSecret = Self.random(bytes: 32)
    publishableKey = "sb_publishable_" + Self.random(bytes: 16)
    secretKey = "sb_secret_" + Self.random(bytes: 24)
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

  private static func file(in folder: String) -> String { "\(folder)/state.json" }

  /// Random bytes as hexadecimal digits.
  static func random(bytes: Int) -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<bytes).map { _ in
      let byte = UInt8.random(in: .min ... .max, using: &generator)
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}

extension ClusterState {
  private init(json: JSON) throws(SimplonError) {
    var fields = try Fields(json, "the state file")
    guard let id = try fields.string("id"), let jwtSecret = try fields.string("jwt_secret"),
      let publishableKey = try fields.string("publishable_key"), let secretKey = try fields.string("secret_key"),
      let stored = try fields.object("passwords")
    else { throw SimplonError(.devPostgresFailed, "the state file lacks a field") }
    self.id = id
    self.jwtSecret = jwtSecret
    self.publishableKey = publishableKey
    self.secretKey = secretKey
    programs = try fields.string("programs")
    port = try fields.integer("port", in: 1...65535)
    notes = (try fields.object("notes") ?? [:]).compactMapValues(\.string)
    passwords = [:]
    for login in Login.allCases {
      guard let password = stored[login.rawValue]?.string else {
        throw SimplonError(.devPostgresFailed, "the state file lacks the password of \(login.rawValue)")
      }
      passwords[login] = password
    }
  }

  private var json: JSON {
    var members: [String: JSON] = [
      "id": .string(id), "jwt_secret": .string(jwtSecret), "publishable_key": .string(publishableKey),
      "secret_key": .string(secretKey), "notes": .object(notes.mapValues { .string($0) }),
      "passwords": .object(
        Dictionary(uniqueKeysWithValues: passwords.map { ($0.key.rawValue, JSON.string($0.value)) })),
    ]
    members["programs"] = programs.map { .string($0) }
    members["port"] = port.map { .integer($0) }
    return .object(members)
  }
}
