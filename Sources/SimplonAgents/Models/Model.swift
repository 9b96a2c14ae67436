package import SimplonCore

/// A language model behind one vendor's API.
///
/// One call is one HTTP request (two, where a server has refused a field that it can do without): what is to be tried
/// again, where and when, is decided by ``ModelRouter``. Two dialects exist, ``AnthropicModel`` and
/// ``ChatCompletionsModel``.
package protocol Model: Sendable {
  /// How it is configured and shown: `vendor/name`, such as `anthropic/claude-sonnet-4-5`.
  var name: ModelName { get }

  /// The bytes that a request is sent as.
  func body(_ request: ModelRequest) -> [UInt8]

  /// Sends a request and reads the streamed reply to its end.
  ///
  /// A cancelled task closes the connection; the error is then `run.interrupted`, which says nothing about the model.
  /// - Parameters:
  ///   - request: what to send.
  ///   - onText: gets the pieces of the reply's text as they arrive, for people who watch.
  /// - Returns: the whole reply.
  /// - Throws: `model.*`, where `retry` says whether and when the same request may be sent again; `run.interrupted` when
  ///   the task was cancelled; `server.shutdown` when the transport was ended; `config.invalid` for an impossible URL.
  func reply(
    to request: ModelRequest, onText: @escaping @Sendable (String) -> Void
  ) async throws(SimplonError) -> ModelReply
}

/// Which model: its vendor's dialect and the name that the vendor knows it by.
package struct ModelName: Sendable, Hashable, CustomStringConvertible {
  /// The wire format.
  package enum Dialect: String, Sendable, Hashable, CaseIterable { case anthropic, openai }

  /// The wire format.
  package let dialect: Dialect
  /// The vendor's name for it.
  package let model: String

  /// Makes a name.
  package init(_ dialect: Dialect, _ model: String) {
    self.dialect = dialect
    self.model = model
  }

  /// Reads `anthropic/NAME` or `openai/NAME`; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1)
    guard parts.count == 2, let dialect = Dialect(rawValue: String(parts[0])), parts[1].utf8.count <= 255 else {
      return nil
    }
    self.init(dialect, String(parts[1]))
  }

  package var description: String { "\(dialect.rawValue)/\(model)" }
}
