import SimplonCluster
import SimplonCore
import SimplonIdentity

/// A running development stack's addresses and keys.
struct DevState: Sendable {
  /// The issuer of a development stack's tokens, whichever port it listens on, so that they outlive a change of port.
  static let projectURL = "http://127.0.0.1:54321"

  let folder: String
  let databasePort: Int
  let port: Int
  private let state: ClusterState

  /// Takes a cluster; its keys are signed once and then kept.
  init(cluster: Cluster, port: Int) throws {
    var state = cluster.state
    let mint = try TokenMint(projectURL: Self.projectURL, secret: state.jwtSecret)
    state.notes["anon_key"] = state.notes["anon_key"] ?? mint.key(for: .anon)
    state.notes["service_role_key"] = state.notes["service_role_key"] ?? mint.key(for: .serviceRole)
    state.notes["api_url"] = "http://127.0.0.1:\(port)"
    self.state = state
    self.port = port
    folder = cluster.folder
    databasePort = cluster.port
  }

  var apiURL: String { "http://127.0.0.1:\(port)" }

  /// Whether the stack of a folder answers.
  static func isRunning(in folder: String) async -> Bool {
    guard let url = (try? ClusterState.read(from: folder))?.notes["api_url"] else { return false }
    return (try? await ServerClient(url: url, token: "").call(.get, "/health"))?["service"] == "agent-api"
  }

  /// Writes addresses and keys down, so that other commands find the stack.
  func write() throws { try state.write(to: folder) }

  /// What `simplon status --json` prints too.
  var json: JSON { Self.json(state, folder: folder, databasePort: databasePort) }

  /// What a folder's state says of its stack.
  static func json(_ state: ClusterState, folder: String, databasePort: Int) -> JSON {
    let password = state.passwords[.owner] ?? ""
    return [
      "api_url": .string(state.notes["api_url"] ?? ""),
      "db_url": .string("postgresql://postgres:\(password)@127.0.0.1:\(databasePort)/postgres"),
      "anon_key": .string(state.notes["anon_key"] ?? ""),
      "service_role_key": .string(state.notes["service_role_key"] ?? ""),
      "publishable_key": .string(state.publishableKey), "secret_key": .string(state.secretKey),
      "jwt_secret": .string(state.jwtSecret), "data": .string(folder),
    ]
  }

  /// Shows the addresses and keys to a person.
  func announce() throws {
    try Self.show(json)
    Print.note(
      "\nTry it:  simplon run --plan examples/dataset-report/plan.yaml --attach examples/dataset-report/elnino.csv --follow"
    )
    Print.note("Page:    \(apiURL)/      Docs: \(apiURL)/docs      Stop: Ctrl-C")
  }

  /// Shows what ``json`` holds, one line each.
  static func show(_ json: JSON) throws {
    for (label, name) in [
      ("API URL", "api_url"), ("DB URL", "db_url"), ("publishable key", "publishable_key"),
      ("secret key", "secret_key"),
      ("anon key", "anon_key"), ("service_role key", "service_role_key"), ("JWT secret", "jwt_secret"),
      ("data", "data"),
    ] { try Print.out("\(Print.padded(label, to: 17)) \(json[name]?.string ?? "")") }
  }
}
