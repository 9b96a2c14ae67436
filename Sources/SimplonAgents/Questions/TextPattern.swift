/// Texts such as `POST|PUT` or `*.example.com`: alternatives in which `*` is any text; case is no matter in ASCII.
///
/// Unlike with a regular expression, no text that a model writes makes it take long.
struct TextPattern: Sendable, Hashable {
  /// The parts between the stars of each alternative, in lower case.
  private let alternatives: [[[UInt8]]]

  init(_ text: String) {
    alternatives = Self.lower(text).split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false).map {
      $0.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map { Array($0) }
    }
  }

  /// Whether the whole text is one of the alternatives.
  func matches(_ text: String) -> Bool {
    let text = Self.lower(text)
    return alternatives.contains { Self.matches(text, $0) }
  }

  private static func matches(_ text: [UInt8], _ parts: [[UInt8]]) -> Bool {
    guard let first = parts.first, let last = parts.last, parts.count > 1 else { return text == parts.first }
    guard text.count >= first.count + last.count, text.starts(with: first), text.suffix(last.count).elementsEqual(last)
    else { return false }
    // The earliest place of each part leaves the most room for those after it.
    var rest = text[first.count..<(text.count - last.count)]
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      guard let found = rest.indices.first(where: { rest[$0...].starts(with: part) }) else { return false }
      rest = rest[(found + part.count)...]
    }
    return true
  }

  private static func lower(_ text: String) -> [UInt8] {
    text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
  }
}
