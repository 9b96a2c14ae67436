package import SimplonCore

/// What a model has said in one turn, in the order in which it said it.
package struct ModelTurn: Sendable, Hashable {
  /// One part of a turn.
  package enum Block: Sendable, Hashable {
    case text(String)
    case call(Call)
    /// A part that only its vendor can read, such as signed thinking; it goes back as it came, or not at all.
    case opaque(JSON)
  }

  /// A call of a tool.
  package struct Call: Sendable, Hashable {
    /// Unique in the run; the vendor's.
    package let id: String
    /// The tool's name as the model wrote it.
    package let name: String
    /// The input; nil when what the model wrote is no JSON object.
    package let input: JSON?

    /// Makes a call.
    package init(id: String, name: String, input: JSON?) {
      self.id = id
      self.name = name
      self.input = input
    }
  }

  /// Who said it: opaque blocks go back to the same model alone.
  package let model: ModelName
  /// What was said.
  package let blocks: [Block]

  /// Makes a turn.
  package init(model: ModelName, blocks: [Block]) {
    self.model = model
    self.blocks = blocks
  }

  /// All text of the turn.
  package var text: String {
    blocks.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
  }

  /// All calls of the turn.
  package var calls: [Call] { blocks.compactMap { if case .call(let call) = $0 { call } else { nil } } }
}

/// A whole reply.
package struct ModelReply: Sendable, Hashable {
  /// Why the model stopped.
  package enum Stop: String, Sendable, Hashable {
    /// It has said all it wanted to say.
    case ended
    /// It waits for the results of its calls.
    case calls
    /// The most tokens were reached: the turn is cut.
    case maximumTokens = "max_tokens"
    /// The vendor asks for the turn to be sent back as it is, to go on.
    case paused
    /// It declines to answer.
    case refused
    /// The transcript has filled the model's context window.
    case contextFull = "context_full"
  }

  /// What was said.
  package let turn: ModelTurn
  /// Why it ended there.
  package let stop: Stop
  /// What is billed.
  package let usage: TokenUsage
  /// Whether the vendor has said what is billed; when it has not, ``usage`` is of nothing.
  package let isUsageReported: Bool
  /// The vendor's id of the request, for its support.
  package let requestID: String?

  /// Whether there is not a word and not a call, and no other reason for that.
  var isEmpty: Bool { turn.text.isBlank && turn.calls.isEmpty && [.ended, .calls, .maximumTokens].contains(stop) }

  /// Makes a reply.
  package init(turn: ModelTurn, stop: Stop, usage: TokenUsage, requestID: String?, isUsageReported: Bool = true) {
    self.turn = turn
    self.stop = stop
    self.usage = usage
    self.requestID = requestID
    self.isUsageReported = isUsageReported
  }
}

/// Tokens as they are billed; no token counts twice.
///
/// - Source: Anthropic's `input_tokens` leaves cached tokens out, OpenAI's `prompt_tokens` holds them.
package struct TokenUsage: Sendable, Hashable {
  /// Input that no cache had.
  package var input = 0
  /// Input read from a cache.
  package var cacheRead = 0
  /// Input written to a cache that is kept for five minutes.
  package var cacheWrite = 0
  /// Input written to a cache that is kept for an hour.
  package var cacheWriteHour = 0
  /// Output, thinking included.
  package var output = 0

  /// Makes a usage of nothing.
  package init() {}

  /// All of the input.
  package var allInput: Int { input + cacheRead + cacheWrite + cacheWriteHour }

  /// A number of tokens as a vendor sends it, held within what can be added up; nil when it is no integer.
  static func count(_ json: JSON?) -> Int? { json?.integer.map { min(max($0, 0), 1_000_000_000) } }
}
