/// Makes lines of one stream's bytes, in whatever pieces they come; a character split over two pieces stays whole.
struct LogLineSplitter {
  /// Bytes of a line; a longer one is split.
  static let limit = 16 * 1024

  private let stream: SandboxStream
  private var rest = [UInt8]()

  init(_ stream: SandboxStream) { self.stream = stream }

  /// Adds bytes and passes on the lines that are whole now.
  mutating func add(_ bytes: [UInt8], _ pass: (LogLine) -> Void) {
    rest += bytes
    var start = rest.startIndex
    while start < rest.endIndex {
      let window = rest[start...]
      let newline = window.prefix(Self.limit + 1).firstIndex(of: UInt8(ascii: "\n"))
      if let newline {
        pass(line(rest[start..<newline]))
        start = newline + 1
      } else if window.count > Self.limit {
        let end = start + SafeText.cut(window, at: Self.limit)
        pass(line(rest[start..<end]))
        start = end
      } else {
        break
      }
    }
    rest.removeFirst(start)
  }

  /// Passes on a last line that has no newline.
  mutating func finish(_ pass: (LogLine) -> Void) {
    if !rest.isEmpty { pass(line(rest[...])) }
    rest = []
  }

  private func line(_ bytes: ArraySlice<UInt8>) -> LogLine {
    let safe = SafeText(bytes)
    return LogLine(text: safe.text, stream: stream, damaged: safe.damaged)
  }
}
