import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import SimplonCore

@testable import SimplonServer

/// A server with two users, as ``withServer(configure:live:_:)`` gives it.
struct ServerUnderTest: Sendable {
  /// One event of a run, before it has a number.
  typealias Event = (kind: String, level: String, payload: String)

  let server: AgentServer
  let client: any TestClientProtocol
  /// Makes another server on the same database.
  let another: @Sendable (ServerConfiguration) -> AgentServer
  /// The token of the user that owns what is made here.
  let owner: String
  /// The token of another user.
  let stranger: String
  /// The service's key.
  let service: String
  /// A token of the owner that ends at a time, in Unix seconds.
  let expiring: @Sendable (Int) -> String
  /// Writes events to a run of the owner; `done` finishes it.
  let append: @Sendable (UUID, [Event]) async throws -> Void
  /// Forgets a run's events with a smaller number.
  let expire: @Sendable (UUID, Int64) async throws -> Void
  /// The folder where files are kept.
  let files: String
  /// Stores a file of the owner.
  let store: @Sendable (String, String, [UInt8]) async throws -> UUID

  /// What came back.
  struct Answer {
    let status: Int
    let headers: HTTPFields
    let text: String

    /// The body as JSON; null when it is none.
    var json: JSON { (try? JSON(parsing: text)) ?? .null }
    /// The error's code.
    var code: String? { json["code"]?.string }
  }

  /// Sends a request as the owner, or with the headers given.
  func send(
    _ method: HTTPRequest.Method, _ path: String, _ json: JSON? = nil, text: String? = nil, token: String? = "owner",
    headers: HTTPFields = [:]
  ) async throws -> Answer {
    var headers = headers
    if let token { headers[.authorization] = "Bearer " + (token == "owner" ? owner : token) }
    let body = text ?? json?.text
    if body != nil, headers[.contentType] == nil { headers[.contentType] = "application/json" }
    let response = try await client.executeRequest(
      uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
    return Answer(status: response.status.code, headers: response.headers, text: String(buffer: response.body))
  }

  /// Makes a run of the owner that does not start by itself.
  func makeRun() async throws -> UUID {
    let answer = try await send(.post, "/agent/execute", ["action": "create", "plan": Self.plan, "start": false])
    guard let id = answer.json["run_id"]?.string.flatMap({ UUID(uuidString: $0) }) else {
      throw Failure(text: answer.text)
    }
    return id
  }

  /// Makes a run with these events, from number 2 on: every run's first tells its status.
  func makeRun(_ events: [Event]) async throws -> UUID {
    let run = try await makeRun()
    try await append(run, events)
    return run
  }

  /// A plan that every server takes.
  static let plan: JSON = ["steps": [["id": "only", "tool": "noop"]]]

  /// So many log lines, and `done` where the run shall be finished.
  static func lines(_ count: Int, length: Int = 10, done: Bool) -> [Event] {
    let text = String(repeating: "x", count: length)
    return (0..<count).map { ("log", "info", #"{"text":"\#($0) \#(text)"}"#) }
      + (done ? [("done", "info", #"{"status":"completed"}"#)] : [])
  }

  struct Failure: Error { let text: String }
}

extension UUID {
  /// As the API writes it.
  var text: String { uuidString.lowercased() }
}
