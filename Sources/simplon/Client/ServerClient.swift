import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SimplonCore

/// A running server as the commands see it.
struct ServerClient: Sendable {
  /// Where it is, without a slash at the end.
  let url: String
  let token: String

  /// The verbs that commands use.
  enum Method: String { case get = "GET", post = "POST", delete = "DELETE" }

  /// One attempt to connect: a server that is not there is told at once.
  ///
  /// It lives as long as the process.
  private static let http: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.timeout.connect = .seconds(5)
    // A quiet stream has a heartbeat every 15 s: one that says nothing for so long is dead.
    configuration.timeout.read = .seconds(60)
    return HTTPClient(configuration: configuration)
  }()

  /// Answers are JSON; they are refused beyond this many bytes.
  private static let largest = 64 << 20
  /// How deep answers nest: what a request may nest, and what the server puts around it.
  static let depth = 256

  /// Sends a request and gives the answer's JSON.
  ///
  /// - Throws: the server's own error; `server.unreachable`.
  func call(
    _ method: Method, _ path: String, query: [String: String] = [:], body: JSON? = nil, headers: [String: String] = [:]
  ) async throws -> JSON {
    let response = try await send(method, path, query: query, body: body, headers: headers)
    do {
      return try JSON(parsing: try await response.body.collect(upTo: Self.largest).readableBytesView, depth: Self.depth)
    } catch is NIOTooManyBytesError {
      throw SimplonError(
        .requestTooLarge, "the server's answer is larger than \(Self.largest >> 20) MiB",
        hint: "Ask for less at a time, with a smaller limit.")
    } catch {
      throw failure(error)
    }
  }

  /// Sends a request and gives the answer once its head is there.
  ///
  /// - Throws: the server's own error; `server.unreachable`.
  func send(
    _ method: Method, _ path: String, query: [String: String] = [:], body: JSON? = nil, headers: [String: String] = [:]
  ) async throws -> HTTPClientResponse {
    let pairs = query.sorted { $0.key < $1.key }.map { "\($0.key)=\(percentEncoded($0.value))" }
    var request = HTTPClientRequest(url: url + path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")))
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
    } catch {
      throw failure(error)
    }
    guard response.status.code < 300 else { throw await Self.error(response) }
    return response
  }

  /// What to throw for whatever the network threw: `server.unreachable`, or a cancel.
  func failure(_ error: any Error) -> any Error {
    if error is SimplonError { return error }
    if Task.isCancelled || error is CancellationError { return CancellationError() }
    return SimplonError(
      .serverUnreachable, "no server answers at \(url)", hint: "Start one: simplon dev. Or name it: --url URL",
      retry: .backoff, cause: error)
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
    let wait = response.headers.first(name: "Retry-After").flatMap { Int($0) }
    return SimplonError(
      code, json["message"]?.string ?? "the server refused", hint: json["hint"]?.string, details: json["details"],
      retry: wait.map { .after(.seconds(min(max($0, 1), 3600))) } ?? .never)
  }
}
