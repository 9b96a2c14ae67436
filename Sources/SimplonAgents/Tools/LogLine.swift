/// A line that a tool or a model wrote.
package struct LogLine: Sendable, Hashable {
  /// Who wrote it.
  enum Stream: String, Sendable { case stdout, stderr, model }

  /// `warn` for stderr and for what the sandbox has to say, else `info`.
  package let level: String
  /// Without the newline; UTF-8, with U+FFFD for what is none and for NUL.
  ///
  /// Made of at most 16 KiB: longer lines are split.
  package let text: String
  /// `stdout`, `stderr` or `model`.
  package let stream: String
  /// Whether something was replaced in the text.
  package let damaged: Bool

  init(level: String? = nil, text: String, stream: Stream, damaged: Bool = false) {
    self.level = level ?? (stream == .stderr ? "warn" : "info")
    self.text = text
    self.stream = stream.rawValue
    self.damaged = damaged
  }
}

/// Bytes as text that PostgreSQL and JSON can hold.
struct SafeText {
  /// The text, with U+FFFD for what is no UTF-8 and for NUL.
  let text: String
  /// Whether something was replaced.
  let damaged: Bool

  init(_ bytes: some Collection<UInt8>) {
    if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) {
      self.text = text
      damaged = false
    } else {
      text = String(
        String.UnicodeScalarView(
          String(decoding: bytes, as: UTF8.self).unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }))
      damaged = true
    }
  }

  /// How many of the first `limit` bytes to take so that no character is cut that goes on beyond them.
  static func cut(_ bytes: some RandomAccessCollection<UInt8>, at limit: Int) -> Int {
    guard bytes.count > limit else { return bytes.count }
    // A character has at most three bytes after its first.
    for back in 0..<min(4, limit) {
      let index = bytes.index(bytes.startIndex, offsetBy: limit - back)
      if bytes[index] & 0xC0 != 0x80 { return limit - back }
    }
    return limit
  }
}
