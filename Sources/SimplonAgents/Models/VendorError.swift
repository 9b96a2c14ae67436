import SimplonCore

/// What a vendor says when it refuses, in an answer of its own or in the midst of a stream.
struct VendorError: Sendable, Hashable {
  /// The HTTP status; 200 for an error in a stream.
  var status: Int
  /// The vendor's name for the kind of error.
  var type = ""
  /// The vendor's name for the very error, where it has one.
  var reason = ""
  /// The vendor's words.
  var message = ""
  /// The vendor's id of the request.
  var requestID: String?

  /// The error in our words.
  ///
  /// - Parameters:
  ///   - code: what the vendor's table makes of it.
  ///   - headers: those of the answer, names in lower case; none for an error in a stream.
  ///   - key: what must not show.
  /// - Returns: the error; its `retry` is what the headers and the code say.
  func error(_ code: SimplonError.Code, headers: [String: String], hiding key: ModelKey?) -> SimplonError {
    let (sentence, hint) = Self.sentence(code)
    // What is said about a key may repeat a part of it.
    let words = code == .modelAuth && status != 403 ? "" : Self.clean(message, limit: 500, hiding: key)
    var details: [String: JSON] = ["status": .integer(status)]
    for (name, value) in [("type", type), ("reason", reason), ("request_id", requestID ?? "")] where !value.isEmpty {
      details[name] = .string(Self.clean(value, limit: 100, hiding: key))
    }
    return SimplonError(
      code, words.isEmpty ? sentence : "\(sentence): \(words)", hint: hint, details: .object(details),
      retry: Self.retry(code, headers))
  }

  /// What an HTTP status alone says.
  ///
  /// - Source: facts of both vendors' APIs; 529 is Anthropic's, and 409 is what both SDKs repeat.
  static func code(status: Int) -> SimplonError.Code {
    switch status {
    case 401, 403, 407: .modelAuth
    case 402: .modelSpendLimit
    case 408, 504: .modelTimeout
    case 409: .modelUnavailable
    case 413: .modelContextFull
    case 429: .modelRateLimited
    case 503, 529: .modelOverloaded
    case 300..<500: .modelRequest
    default: .modelUnavailable
    }
  }

  /// Whether the words say that the transcript is too long: some servers have no name for that.
  ///
  /// - Source: Anthropic ("prompt is too long"), OpenAI and vLLM ("maximum context length"), llama.cpp ("context size").
  var saysTooLong: Bool {
    let words = String(message.prefix(2000)).lowercased()
    return [
      "prompt is too long", "maximum context length", "context window", "context size", "exceed context limit",
    ].contains { words.contains($0) }
  }

  private static func retry(_ code: SimplonError.Code, _ headers: [String: String]) -> SimplonError.Retry {
    // No time mends these, whatever the headers say.
    guard ![.modelSpendLimit, .modelContextFull, .modelRefused].contains(code) else { return .never }
    let again = wait(headers).map(SimplonError.Retry.after) ?? .backoff
    switch headers["x-should-retry"]?.lowercased() {
    case "true": return again
    case "false": return .never
    default:
      let passing: [SimplonError.Code] = [.modelUnavailable, .modelTimeout, .modelRateLimited, .modelOverloaded]
      return passing.contains(code) ? again : .never
    }
  }

  /// When the vendor wants to be asked again: at most in two minutes; nil when it does not say.
  ///
  /// A date counts from the answer's own, so that no clock of ours matters.
  /// - Source: the SDKs of both vendors read these headers in this order; OpenAI's honours up to 120 s.
  static func wait(_ headers: [String: String]) -> Duration? {
    var seconds: Double?
    if let text = headers["retry-after-ms"], let milliseconds = Double(text) { seconds = milliseconds / 1000 }
    if seconds == nil, let text = headers["retry-after"] {
      if let number = Double(text) {
        seconds = number
      } else if let then = HTTPDate.seconds(text), let now = headers["date"].flatMap(HTTPDate.seconds) {
        seconds = Double(then - now)
      }
    }
    guard let seconds, seconds > 0 else { return nil }
    return .milliseconds(Int((min(seconds, 120) * 1000).rounded(.up)))
  }

  /// So many bytes of somebody else's words, without the key and without what steers a terminal or turns the order.
  static func clean(_ text: String, limit: Int, hiding key: ModelKey?) -> String {
    let beginning = String(decoding: text.utf8.prefix(16 << 10), as: UTF8.self)
    var out = ""
    for scalar in (key?.hidden(in: beginning) ?? beginning).unicodeScalars {
      let piece: String
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: piece = out.hasSuffix(" ") ? "" : " "
      case .format: piece = ""
      default: piece = String(scalar)
      }
      guard out.utf8.count + piece.utf8.count <= limit else { break }
      out += piece
    }
    return out
  }

  private static func sentence(_ code: SimplonError.Code) -> (sentence: String, hint: String?) {
    switch code {
    case .modelAuth: ("the model's server refuses the key", "Check the key of the model, and what it may be used for.")
    case .modelSpendLimit: ("the vendor's limit of spending is reached", "Raise it there, or take another model.")
    case .modelRateLimited: ("the model's vendor limits how much is asked", nil)
    case .modelOverloaded: ("the model's server is overloaded", nil)
    case .modelTimeout: ("the model's server ran out of time", nil)
    case .modelContextFull: ("the transcript is too long for the model", nil)
    case .modelRefused: ("the model's vendor declines the request", nil)
    case .modelRequest: ("the model's server refuses the request", "Check the model's name and its URL.")
    default: ("the model's server failed", nil)
    }
  }
}
