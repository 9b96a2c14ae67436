import Crypto
import SimplonCore

/// What goes back to a vendor, which may not be the one that it came from.
extension ModelTurn {
  /// Stands where a vendor wants words and there are none.
  static let nothing = "(nothing)"

  /// The id of a call as every vendor takes it: as it is, or where one would refuse it, 37 characters out of its hash.
  ///
  /// - Source: Anthropic, 400 for a `tool_use.id` beyond `^[a-zA-Z0-9_-]+$`; OpenAI, 400 for a `tool_calls[].id` of more
  ///   than 40 characters.
  static func wireID(_ id: String) -> String {
    if !id.isEmpty, id.utf8.count <= 40, id.utf8.allSatisfy(isPlain) { return id }
    return "call_" + SHA256.hash(data: Array(id.utf8)).prefix(16).hex
  }

  /// The name of a called tool as every vendor takes it: a model may have called what no tool can be named.
  ///
  /// - Source: both vendors, 400 for a name beyond `^[a-zA-Z0-9_-]{1,64}$`.
  static func wireName(_ name: String) -> String {
    let plain = name.utf8.prefix(64).map { isPlain($0) ? $0 : UInt8(ascii: "_") }
    return plain.isEmpty ? "unknown" : String(decoding: plain, as: UTF8.self)
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte.isLetter || byte.isDigit || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }
}

extension String {
  /// Whether there is nothing in it to read.
  var isBlank: Bool { allSatisfy(\.isWhitespace) }
}
