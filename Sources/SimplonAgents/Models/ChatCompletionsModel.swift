package import SimplonCore
import Synchronization

/// A model behind OpenAI's chat completions, or behind one of the many servers that speak them.
package final class ChatCompletionsModel: Model {
  /// How the API is reached, and what the server at hand knows of it.
  package struct Configuration: Sendable {
    /// The field for the most tokens of a reply; a request with both is refused.
    package enum LimitField: String, Sendable, CaseIterable {
      /// What OpenAI's newer models insist on.
      case new = "max_completion_tokens"
      /// The old name, which all others know.
      case old = "max_tokens"
    }

    /// Where the API is, before `/chat/completions`, with no slash at the end.
    package var url: String
    /// The key, sent as `Authorization: Bearer`; nil for a server that asks for none.
    package var key: ModelKey?
    /// The field for the most tokens of a reply.
    package var limitField: LimitField

    /// Makes a configuration of the defaults; the limit's field is the new one for OpenAI's own servers and Azure's.
    ///
    /// - Parameters:
    ///   - url: such as `https://api.openai.com/v1`.
    ///   - key: the key, if the server wants one.
    package init(url: String = "https://api.openai.com/v1", key: ModelKey?) {
      self.url = url
      self.key = key
      let host = url.split(separator: "/").dropFirst().first?.prefix { $0 != ":" }.lowercased() ?? ""
      limitField = host == "api.openai.com" || host.hasSuffix(".openai.azure.com") ? .new : .old
    }
  }

  /// `openai/` and the server's name for it.
  package let name: ModelName
  let configuration: Configuration
  private let transport: ModelTransport
  /// Whether usage is asked for in the stream, until the server has refused that and replied without.
  private let asksForUsage = Mutex(true)

  /// Makes a model; nothing is sent yet.
  ///
  /// - Parameters:
  ///   - model: the server's name for it.
  ///   - configuration: how the API is reached.
  ///   - transport: sends the requests; it must outlive the model.
  package init(_ model: String, configuration: Configuration, transport: ModelTransport) {
    self.name = ModelName(.openai, model)
    self.configuration = configuration
    self.transport = transport
  }

  /// Sends a request and reads the reply; see ``Model``.
  package func reply(
    to request: ModelRequest, onText: @escaping @Sendable (String) -> Void
  ) async throws(SimplonError) -> ModelReply {
    var reading = Reading(model: name, after: request.messages, hiding: configuration.key, onText: onText)
    let asksForUsage = self.asksForUsage.withLock { $0 }
    let prepared = asksForUsage ? request.bytes(for: name) : nil
    var answer = try await post(prepared ?? body(request, asksForUsage: asksForUsage), &reading)
    if asksForUsage, Self.refusesUsage(answer) {
      answer = try await post(body(request, asksForUsage: false), &reading)
      if answer.isGood { self.asksForUsage.withLock { $0 = false } }
    }
    guard answer.isGood else { throw VendorError.chatCompletions(answer, hiding: configuration.key) }
    return try reading.reply(requestID: answer.headers["x-request-id"])
  }

  private func post(_ body: [UInt8], _ reading: inout Reading) async throws(SimplonError) -> ModelAnswer {
    do throws(SimplonError) {
      return try await transport.post(
        body, to: "\(configuration.url)/chat/completions", headers: configuration.key.bearer
      ) { (event: StreamedEvent) throws(SimplonError) -> ModelProgress in
        try reading.take(event)
      }
    } catch {
      throw error.after(reading.billed)
    }
  }

  /// Whether the server does not take the field by which usage is asked for; nothing of that request is billed.
  private static func refusesUsage(_ answer: ModelAnswer) -> Bool {
    [400, 422].contains(answer.status) && String(decoding: answer.body, as: UTF8.self).contains("stream_options")
  }
}
