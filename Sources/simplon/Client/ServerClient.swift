import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import SimplonCore

/// A running server as the commands see it.
struct ServerClient: Sendable {
  /// Where it is, without a slash at the end.
  let url: String
  let token: String

  /// The verbs that commands use.
  enum Method: String { case get = "GET", post = "POST" }

  /// One attempt to connect: a server that is not there is told at once.
  ///
  /// It lives as long as the process.
  private static let http: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = .seconds(5)
    return HTTPClient(configuration: configuration)
  }()

  /// Answers are JSON; they are refused beyond this many bytes.
  private static let largest = 64 << 20

  /// Sends a request and gives the answer's JSON.
  ///
  /// - Throws: the server's own error; `server.unreachable`.
  func call(
    _ method: Method, _ path: String, query: [String: String] = [:], body: JSON? = nil, headers: [String: String] = [:]
  ) async throws -> JSON {
    let response = try await send(method, path, query: query, body: body, headers: headers)
    let bytes = try await response.body.collect(upTo: Self.largest)
    return try JSON(parsing: bytes.readableBytesView)
  }

  /// Follows a run's events from after a number to its `done`; connects again as often as needed.
  ///
  /// - Throws: the server's own error; `server.unreachable` after ten tries in a row without an event.
  func follow(_ run: String, after: Int64 = 0, _ handle: (StreamedEvent) throws -> Void) async throws {
    var last = after
    var failures = 0
    while true {
      do {
        var headers = ["Accept": "text/event-stream"]
        if last > 0 { headers["Last-Event-ID"] = String(last) }
        let response = try await send(.get, "/agent/logs", query: ["run_id": run, "mode": "stream"], headers: headers)
        if response.status == .noContent { return }
        var parser = EventStreamParser()
        for try await chunk in response.body {
          for event in parser.feed(chunk.readableBytesView) {
            failures = 0
            if let id = event.id { last = id }
            try handle(event)
            if event.kind == "done" { return }
          }
        }
      } catch let error as SimplonError where error.code != .serverUnreachable && error.code.status < 500 {
        throw error
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        failures += 1
        guard failures < 10 else { throw error }
      }
      try await Task.sleep(for: Backoff(base: .milliseconds(100), cap: .seconds(3)).delay(attempt: max(failures, 1)))
    }
  }

  /// Saves an artifact's bytes to a file.
  func download(_ id: String, to path: String) async throws {
    let response = try await send(.get, "/agent/artifacts/\(id)")
    let bytes = try await response.body.collect(upTo: 1 << 30)
    try Data(bytes.readableBytesView).write(to: URL(filePath: path))
  }

  private func send(
    _ method: Method, _ path: String, query: [String: String] = [:], body: JSON? = nil, headers: [String: String] = [:]
  ) async throws -> HTTPClientResponse {
    var request = HTTPClientRequest(url: url + path + Self.query(query))
    request.method = HTTPMethod(rawValue: method.rawValue)
    request.headers.add(name: "Authorization", value: "Bearer \(token)")
    request.headers.add(name: "User-Agent", value: "simplon/\(Version.current)")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body.utf8))
    }
    let response: HTTPClientResponse
    do {
      response = try await Self.http.execute(request, deadline: .distantFuture)
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw SimplonError(
        .serverUnreachable, "no server answers at \(url)", hint: "Start one: simplon dev. Or name it: --url URL",
        retry: .backoff, cause: error)
    }
    guard response.status.code < 300 else {
      throw await Self.error(response)
    }
    return response
  }

  /// The server's error as ours; a code that this binary does not know survives.
  private static func error(_ response: HTTPClientResponse) async -> SimplonError {
    let status = Int(response.status.code)
    guard let bytes = try? await response.body.collect(upTo: 1 << 20),
      let json = try? JSON(parsing: bytes.readableBytesView),
      let name = json["code"]?.string
    else {
      return SimplonError(.serverUnreachable, "what answers there is no Simplon server: HTTP \(status)")
    }
    let code = SimplonError.Code.all.first { $0.rawValue == name } ?? SimplonError.Code(name, status: status, "")
    return SimplonError(
      code, json["message"]?.string ?? "the server refused", hint: json["hint"]?.string, details: json["details"])
  }

  private static func query(_ values: [String: String]) -> String {
    guard !values.isEmpty else { return "" }
    let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
    let digits = Array("0123456789ABCDEF".utf8)
    func encode(_ text: String) -> String {
      String(
        decoding: text.utf8.flatMap { byte in
          unreserved.contains(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }, as: UTF8.self)
    }
    return "?" + values.sorted { $0.key < $1.key }.map { "\($0.key)=\(encode($0.value))" }.joined(separator: "&")
  }
}
