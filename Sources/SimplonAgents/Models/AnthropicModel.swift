package import SimplonCore

/// A model behind Anthropic's Messages API, or behind a gateway that speaks it.
package struct AnthropicModel: Model {
  /// How the API is reached.
  package struct Configuration: Sendable {
    /// Where the API is, before `/v1/messages`, with no slash at the end.
    package var url = "https://api.anthropic.com"
    /// The key, sent as `x-api-key`, which the API and every gateway read.
    package var key: ModelKey
    /// The header `anthropic-version`.
    ///
    /// This one is known to every gateway; what is sent here is legal in 2026-10-21 too.
    package var version = "2023-06-01"

    /// Makes a configuration of the defaults.
    package init(key: ModelKey) { self.key = key }
  }

  /// `anthropic/` and the vendor's name for it.
  package let name: ModelName
  let configuration: Configuration
  private let transport: ModelTransport

  /// Makes a model; nothing is sent yet.
  ///
  /// - Parameters:
  ///   - model: the vendor's name for it.
  ///   - configuration: how the API is reached.
  ///   - transport: sends the requests; it must outlive the model.
  package init(_ model: String, configuration: Configuration, transport: ModelTransport) {
    self.name = ModelName(.anthropic, model)
    self.configuration = configuration
    self.transport = transport
  }

  /// Sends a request and reads the reply; see ``Model``.
  package func reply(
    to request: ModelRequest, onText: @escaping @Sendable (String) -> Void
  ) async throws(SimplonError) -> ModelReply {
    var reading = Reading(model: name, after: request.messages, hiding: configuration.key, onText: onText)
    let answer: ModelAnswer
    do throws(SimplonError) {
      answer = try await transport.post(
        request.bytes(for: name) ?? body(request), to: "\(configuration.url)/v1/messages", headers: headers
      ) { (event: StreamedEvent) throws(SimplonError) -> ModelProgress in
        try reading.take(event)
      }
    } catch {
      throw error.after(reading.billed)
    }
    guard answer.isGood else { throw VendorError.anthropic(answer, hiding: configuration.key) }
    return try reading.reply(requestID: answer.headers["request-id"])
  }

  private var headers: [(name: String, value: String)] {
    [
      (name: "anthropic-version", value: configuration.version), (name: "x-api-key", value: configuration.key.text),
    ]
  }
}
