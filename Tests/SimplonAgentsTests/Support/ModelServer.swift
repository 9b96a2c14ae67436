import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SimplonCore
import Subprocess

@testable import SimplonAgents

/// The scripted model server of `Tests/Peers`, which speaks both dialects over a real socket.
struct ModelServer: Sendable {
  struct Failure: Error { let text: String }

  /// The one of this process, started at first use; the task is unstructured because the server belongs to the process.
  static let shared = Task { try await start() }

  /// Where it is, without a slash at the end.
  let url: String

  /// Gives the body a model of the dialect that says what is written down, and what was asked of it so far.
  static func with<R>(
    _ dialect: ModelName.Dialect, _ replies: [JSON], limits: ModelTransport.Limits = ModelTransport.Limits(),
    _ body: (any Model, _ requests: () async throws -> [JSON]) async throws -> R
  ) async throws -> R {
    let server = try await shared.value
    let script = try await server.script(replies)
    return try await ModelTransport.with(limits: limits) { transport in
      try await body(server.model(dialect, script, transport)) { try await server.requests(script) }
    }
  }

  /// Gives it a script.
  ///
  /// - Returns: the script's name, which is also the key that a model asks with.
  func script(_ replies: [JSON]) async throws -> String {
    let name = "script-\(uniqueMark())"
    _ = try await send(.PUT, name, ["replies": .array(replies)])
    return name
  }

  /// What was asked by that script's key, in order: `{path, headers, body, raw, status, usage, ended, …}`.
  func requests(_ name: String) async throws -> [JSON] { try await send(.GET, "\(name)/requests").array ?? [] }

  /// A model of a dialect that asks by that script.
  func model(_ dialect: ModelName.Dialect, _ script: String, _ transport: ModelTransport) throws -> any Model {
    let key = try ModelKey(script)
    switch dialect {
    case .anthropic:
      var configuration = AnthropicModel.Configuration(key: key)
      configuration.url = url
      return AnthropicModel("claude-test", configuration: configuration, transport: transport)
    case .openai:
      let configuration = ChatCompletionsModel.Configuration(url: "\(url)/v1", key: key)
      return ChatCompletionsModel("gpt-test", configuration: configuration, transport: transport)
    }
  }

  private func send(_ method: HTTPMethod, _ path: String, _ body: JSON? = nil) async throws -> JSON {
    var request = HTTPClientRequest(url: "\(url)/scripts/\(path)")
    request.method = method
    if let body { request.body = .bytes(ByteBuffer(bytes: body.utf8)) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
    let bytes = try await response.body.collect(upTo: 64 << 20)
    guard response.status == .ok else { throw Failure(text: "\(response.status): \(String(buffer: bytes))") }
    return try JSON(parsing: bytes.readableBytesView, depth: 512)
  }

  private static func start() async throws -> ModelServer {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Peers/model_server.py")
    let (ports, found) = AsyncThrowingStream<Int, any Error>.makeStream()
    // Unstructured as well: the server ends when this process does, as its standard input is then closed.
    Task {
      do {
        _ = try await run(
          .name("python3"), arguments: Arguments([file.standardizedFileURL.path, "--port", "0"]), input: .inputWriter,
          output: .sequence, error: .discarded
        ) { execution in
          var lines = execution.standardOutput.strings().makeAsyncIterator()
          guard let line = try await lines.next(), let port = try JSON(parsing: line)["port"]?.integer else {
            throw Failure(text: "the model server has not said where it is")
          }
          found.yield(port)
          while true { try await Task.sleep(for: .seconds(3600)) }
        }
      } catch {
        found.finish(throwing: error)
      }
    }
    for try await port in ports { return ModelServer(url: "http://127.0.0.1:\(port)") }
    throw Failure(text: "the model server has ended")
  }
}
