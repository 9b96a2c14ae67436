import SimplonCore

extension ChatCompletionsModel {
  /// Puts a reply together out of the chunks of a stream; knows no socket.
  ///
  /// - Source: OpenAI, "Chat completion chunk"; how servers differ: Ollama numbers all calls 0 (ollama#15457) or not at
  ///   all, others repeat a call's id and name with each piece, send its arguments whole, or give it no id.
  struct Reading {
    private struct Call {
      let index: Int?
      var id: String
      var name: String
      var arguments: String
    }

    /// Calls that one reply may have.
    private static let mostCalls = 256

    private let model: ModelName
    private let key: ModelKey?
    private let onText: @Sendable (String) -> Void
    private let ids: CallIDs
    private var text = ""
    private var refusal = ""
    private var calls = [Call]()
    private var finishReason: String?
    private var usage = TokenUsage()
    private var isUsageReported = false
    private var progress = ModelProgress.open

    init(
      model: ModelName, after messages: [ModelMessage], hiding key: ModelKey?,
      onText: @escaping @Sendable (String) -> Void
    ) {
      self.model = model
      self.ids = CallIDs(after: messages)
      self.key = key
      self.onText = onText
    }

    /// Takes the next event.
    ///
    /// - Returns: whether the reply is there.
    /// - Throws: `model.protocol` when it cannot be read; `model.*` for an error in the stream.
    mutating func take(_ event: StreamedEvent) throws(SimplonError) -> ModelProgress {
      if event.data.hasPrefix("[DONE]") { progress = .whole }
      // Some servers keep the line open with events of nothing.
      if progress == .whole || event.data.isBlank { return progress }
      let json = try event.modelJSON()
      if event.kind == "error" || json["error"]?.isNull == false {
        throw VendorError.chatCompletions(json, hiding: key)
      }
      read(json["usage"] ?? .null)
      for choice in json["choices"]?.array ?? [] where (choice["index"]?.integer ?? 0) == 0 { try add(choice) }
      return progress
    }

    /// The whole reply.
    ///
    /// - Throws: `model.unavailable` when the stream has ended before it.
    func reply(requestID: String?) throws(SimplonError) -> ModelReply {
      guard progress != .open else {
        throw SimplonError(.modelUnavailable, "the model's answer broke off", retry: .backoff).broken(billed)
      }
      var blocks = [text, refusal].filter { !$0.isEmpty }.map(ModelTurn.Block.text)
      var ids = ids
      for (place, call) in calls.enumerated() {
        let input = ModelTurn.Call.input(call.arguments)
        blocks.append(.call(ModelTurn.Call(id: ids.id(call.id, at: place), name: call.name, input: input)))
      }
      return ModelReply(
        turn: ModelTurn(model: model, blocks: blocks), stop: stop, usage: usage, requestID: requestID,
        isUsageReported: isUsageReported)
    }

    /// What the server has said so far of what it bills; nil for nothing.
    var billed: TokenUsage? { isUsageReported ? usage : nil }

    private var stop: ModelReply.Stop {
      switch finishReason ?? "" {
      case "length": .maximumTokens
      case "content_filter": .refused
      default: refusal.isEmpty ? (calls.isEmpty ? .ended : .calls) : .refused
      }
    }

    private mutating func add(_ choice: JSON) throws(SimplonError) {
      let delta = choice["delta"] ?? choice["message"] ?? .null
      let words = Self.words(delta["content"])
      text += words
      let refusing = delta["refusal"]?.string ?? ""
      refusal += refusing
      for piece in [words, refusing] where !piece.isEmpty { onText(piece) }
      for piece in delta["tool_calls"]?.array ?? [] { try add(call: piece) }
      if let reason = choice["finish_reason"]?.string {
        finishReason = reason
        progress = .enough
      }
    }

    /// The text of a content, which some servers send in parts.
    private static func words(_ content: JSON?) -> String {
      content?.string ?? (content?.array ?? []).compactMap { $0["text"]?.string }.joined()
    }

    private mutating func add(call piece: JSON) throws(SimplonError) {
      let function = piece["function"] ?? .null
      let id = piece["id"]?.string ?? ""
      let name = function["name"]?.string ?? ""
      let given = function["arguments"] ?? .null
      let arguments = given.string ?? (given.object == nil ? "" : given.text)
      guard !id.isEmpty || !name.isEmpty || !arguments.isEmpty else { return }
      guard let place = place(index: piece["index"]?.integer, id: id, name: name) else {
        guard calls.count < Self.mostCalls else {
          throw SimplonError(.modelProtocol, "the model calls more than \(Self.mostCalls) tools", retry: .backoff)
        }
        calls.append(Call(index: piece["index"]?.integer, id: id, name: name, arguments: arguments))
        return
      }
      if calls[place].id.isEmpty { calls[place].id = id }
      if calls[place].name.isEmpty { calls[place].name = name }
      calls[place].arguments += arguments
    }

    /// The call that a piece goes on with; nil when it begins one.
    ///
    /// The index decides. A piece with another id and a name begins a call all the same. Without an index the id decides,
    /// and without either a name begins a call.
    private func place(index: Int?, id: String, name: String) -> Int? {
      guard let place = index.map({ index in calls.lastIndex { $0.index == index } }) ?? unnumbered(id: id, name: name)
      else { return nil }
      let isOther = !id.isEmpty && !calls[place].id.isEmpty && id != calls[place].id && !name.isEmpty
      return isOther ? nil : place
    }

    private func unnumbered(id: String, name: String) -> Int? {
      if !id.isEmpty, let known = calls.lastIndex(where: { $0.id == id }) { return known }
      guard let last = calls.indices.last else { return nil }
      let begins = !id.isEmpty || (!name.isEmpty && !calls[last].name.isEmpty)
      return begins ? nil : last
    }

    /// Counts of all that was so far; some servers send them with each chunk.
    private mutating func read(_ json: JSON) {
      let input = TokenUsage.count(json["prompt_tokens"])
      let output = TokenUsage.count(json["completion_tokens"])
      guard input != nil || output != nil else { return }
      let details = json["prompt_tokens_details"]
      isUsageReported = true
      usage.cacheRead = TokenUsage.count(details?["cached_tokens"]) ?? 0
      usage.cacheWrite = TokenUsage.count(details?["cache_write_tokens"]) ?? 0
      usage.input = max(0, (input ?? 0) - usage.cacheRead - usage.cacheWrite)
      usage.output = output ?? 0
    }
  }
}
