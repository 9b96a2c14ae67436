/// Makes lines of one stream's bytes, in whatever pieces they come; a character split over two pieces stays whole.
///
/// Lines that find no room any more are dropped.
struct LogLineSplitter {
  /// Bytes of a line; a longer one is split.
  static let limit = 16 * 1024
  /// Bytes that the shortest line takes of the room, as each becomes an event with a row of its own.
  static let leastCost = 64

  private let stream: LogLine.Stream
  private var rest = [UInt8]()
  private var room: Int
  /// Whether a line was dropped.
  private(set) var hasDropped = false

  /// Makes one for so many bytes of lines.
  init(_ stream: LogLine.Stream, room: Int) {
    self.stream = stream
    self.room = room
  }

  /// Adds bytes and passes on the lines that are whole now.
  mutating func add(_ bytes: [UInt8], _ log: (LogLine) -> Void) {
    guard room > 0 else { return hasDropped = hasDropped || !bytes.isEmpty }
    rest += bytes
    var start = rest.startIndex
    while start < rest.endIndex {
      let window = rest[start...]
      let newline = window.prefix(Self.limit + 1).firstIndex(of: UInt8(ascii: "\n"))
      if let newline {
        pass(rest[start..<newline], log)
        start = newline + 1
      } else if window.count > Self.limit {
        let end = start + SafeText.cut(window, at: Self.limit)
        pass(rest[start..<end], log)
        start = end
      } else {
        break
      }
    }
    rest.removeFirst(start)
  }

  /// Passes on a last line that has no newline.
  mutating func finish(_ log: (LogLine) -> Void) {
    if !rest.isEmpty { pass(rest[...], log) }
    rest = []
  }

  private mutating func pass(_ bytes: ArraySlice<UInt8>, _ log: (LogLine) -> Void) {
    guard room > 0 else { return hasDropped = true }
    let safe = SafeText(bytes)
    room -= max(Self.leastCost, safe.text.utf8.count)
    log(LogLine(text: safe.text, stream: stream, damaged: safe.damaged))
  }
}
