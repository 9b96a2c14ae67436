import SimplonCore

extension AnthropicModel {
  /// Puts a reply together out of the events of a stream; knows no socket.
  ///
  /// - Source: Anthropic, "Streaming messages"; events and fields that are not known are passed over.
  struct Reading {
    /// One block of the content while its pieces come.
    private struct Part {
      /// As `content_block_start` has given it.
      let start: [String: JSON]
      let type: String
      var text = ""
      var thinking = ""
      var json = ""
      var signature: String?
      /// Whether a piece came that we cannot put in its place, so that it could not go back as it was.
      var isDamaged = false
    }

    /// Blocks that one reply may have.
    private static let mostParts = 1000

    private let model: ModelName
    private let key: ModelKey?
    private let ids: CallIDs
    private let onText: @Sendable (String) -> Void
    private var parts = [Part]()
    /// Where the part of each index of the vendor's is.
    private var places = [Int: Int]()
    private var stopReason: String?
    private var usage = TokenUsage()
    private var cacheWrites = 0
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
    /// - Throws: `model.protocol` when it cannot be read; `model.*` for an `error` event.
    mutating func take(_ event: StreamedEvent) throws(SimplonError) -> ModelProgress {
      switch event.kind {
      case "message_start":
        read(try event.modelJSON()["message"]?["usage"])
      case "content_block_start":
        let json = try event.modelJSON()
        try begin(json["index"]?.integer, json["content_block"]?.object)
      case "content_block_delta":
        let json = try event.modelJSON()
        try add(json["index"]?.integer, json["delta"] ?? .null)
      case "message_delta":
        let json = try event.modelJSON()
        read(json["usage"])
        if let reason = json["delta"]?["stop_reason"]?.string {
          stopReason = reason
          progress = .enough
        }
      case "message_stop": progress = .whole
      case "error": throw VendorError.anthropic(try event.modelJSON(), hiding: key)
      case "message":
        // A gateway may leave the name out; the data has it too. One that repeats the default name is no event of ours.
        guard let name = try event.modelJSON()["type"]?.string, name != "message" else { break }
        return try take(StreamedEvent(kind: name, data: event.data))
      default: break
      }
      return progress
    }

    /// The whole reply.
    ///
    /// - Throws: `model.unavailable` when the stream has ended before it.
    func reply(requestID: String?) throws(SimplonError) -> ModelReply {
      guard progress != .open else {
        throw SimplonError(.modelUnavailable, "the model's answer broke off", retry: .backoff).broken(billed)
      }
      var ids = ids
      let blocks = parts.enumerated().compactMap { place, part -> ModelTurn.Block? in
        let block = Self.block(part)
        guard case .call(let call) = block else { return block }
        return .call(ModelTurn.Call(id: ids.id(call.id, at: place), name: call.name, input: call.input))
      }
      let turn = ModelTurn(model: model, blocks: blocks)
      return ModelReply(
        turn: turn, stop: stop(hasCalls: !turn.calls.isEmpty), usage: billed ?? TokenUsage(), requestID: requestID,
        isUsageReported: isUsageReported)
    }

    /// What the vendor has said so far of what it bills; nil for nothing.
    var billed: TokenUsage? {
      guard isUsageReported else { return nil }
      var usage = usage
      usage.cacheWrite = max(0, cacheWrites - usage.cacheWriteHour)
      return usage
    }

    private mutating func begin(_ index: Int?, _ start: [String: JSON]?) throws(SimplonError) {
      guard let index, let start, let type = start["type"]?.string, places[index] == nil else {
        throw Self.unreadable("a block begins without its place or its type")
      }
      if type == "tool_use" {
        guard let id = start["id"]?.string, !id.isEmpty, start["name"]?.string != nil else {
          throw Self.unreadable("a call has no id or no name")
        }
      }
      guard parts.count < Self.mostParts else { throw Self.unreadable("it has more than \(Self.mostParts) blocks") }
      places[index] = parts.count
      parts.append(Part(start: start, type: type))
      if type == "text", let text = start["text"]?.string, !text.isEmpty { onText(text) }
    }

    private mutating func add(_ index: Int?, _ delta: JSON) throws(SimplonError) {
      guard let place = index.flatMap({ places[$0] }) else { throw Self.unreadable("a piece belongs to no block") }
      switch delta["type"]?.string ?? "" {
      case "text_delta":
        let text = delta["text"]?.string ?? ""
        parts[place].text += text
        if parts[place].type == "text", !text.isEmpty { onText(text) }
      case "input_json_delta": parts[place].json += delta["partial_json"]?.string ?? ""
      case "thinking_delta": parts[place].thinking += delta["thinking"]?.string ?? ""
      case "signature_delta": parts[place].signature = delta["signature"]?.string
      default: parts[place].isDamaged = true
      }
    }

    /// The numbers of `message_start`, and later those of `message_delta`, which count from the beginning.
    private mutating func read(_ json: JSON?) {
      guard let json, json.object != nil else { return }
      if let count = TokenUsage.count(json["input_tokens"]) {
        usage.input = count
        isUsageReported = true
      }
      if let count = TokenUsage.count(json["output_tokens"]) {
        usage.output = count
        isUsageReported = true
      }
      if let count = TokenUsage.count(json["cache_read_input_tokens"]) { usage.cacheRead = count }
      let hour = TokenUsage.count(json["cache_creation"]?["ephemeral_1h_input_tokens"])
      let minutes = TokenUsage.count(json["cache_creation"]?["ephemeral_5m_input_tokens"])
      if let hour { usage.cacheWriteHour = hour }
      if let all = TokenUsage.count(json["cache_creation_input_tokens"]) {
        cacheWrites = all
      } else if let minutes {
        cacheWrites = minutes + usage.cacheWriteHour
      }
    }

    private func stop(hasCalls: Bool) -> ModelReply.Stop {
      switch stopReason ?? "" {
      case "max_tokens": .maximumTokens
      case "pause_turn": .paused
      case "refusal": .refused
      case "model_context_window_exceeded": .contextFull
      default: hasCalls ? .calls : .ended
      }
    }

    /// The block as it is kept; nil for one that is empty or that the vendor would not take back.
    private static func block(_ part: Part) -> ModelTurn.Block? {
      switch part.type {
      case "text":
        let text = (part.start["text"]?.string ?? "") + part.text
        return text.isEmpty ? nil : .text(text)
      case "tool_use":
        let whole = part.start["input"] ?? .object([:])
        return .call(
          ModelTurn.Call(
            id: part.start["id"]?.string ?? "", name: part.start["name"]?.string ?? "",
            input: part.json.isEmpty ? (whole.object == nil ? nil : whole) : ModelTurn.Call.input(part.json)))
      default:
        return part.isDamaged ? nil : opaque(part)
      }
    }

    private static func opaque(_ part: Part) -> ModelTurn.Block? {
      var members = part.start
      for (name, piece) in [("text", part.text), ("thinking", part.thinking)] where !piece.isEmpty {
        members[name] = .string((members[name]?.string ?? "") + piece)
      }
      if let signature = part.signature { members["signature"] = .string(signature) }
      if !part.json.isEmpty { members["input"] = ModelTurn.Call.input(part.json) ?? .object([:]) }
      // A thought that was cut before it was signed is worth nothing.
      if part.type == "thinking", members["signature"]?.string?.isEmpty ?? true { return nil }
      return .opaque(.object(members))
    }

    private static func unreadable(_ what: String) -> SimplonError {
      SimplonError(.modelProtocol, "the model's answer cannot be read: \(what)", retry: .backoff)
    }
  }
}
