import SimplonCore
import Synchronization

@testable import SimplonAgents

/// What those who watch have been told.
final class Heard: Sendable {
  private let pieces = Mutex("")

  var text: String { pieces.withLock { $0 } }

  func add(_ text: String) { pieces.withLock { $0 += text } }
}

extension ModelRequest {
  /// A question with nothing around it.
  static func asking(_ text: String = "Hi", tools: [Tool] = []) -> ModelRequest {
    ModelRequest(system: "", tools: tools, messages: [.user(text)], maximumOutputTokens: 4096)
  }
}

extension ModelRequest.Tool {
  /// A tool of any use.
  static let echo = ModelRequest.Tool(name: "echo", summary: "Says it again.", inputSchema: ["type": "object"])
}
