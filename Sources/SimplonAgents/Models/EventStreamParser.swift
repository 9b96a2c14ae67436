package import SimplonCore

/// One server-sent event.
package struct StreamedEvent: Sendable, Hashable {
  /// What its `id` field says, when it has one.
  package var id: String?
  /// Its name: what its `event` field says.
  package var kind: String
  /// Its data, lines joined.
  package var data: String

  /// Makes an event.
  package init(id: String? = nil, kind: String = "message", data: String = "") {
    self.id = id
    self.kind = kind
    self.data = data
  }
}

/// Splits a response body into server-sent events, however the bytes are cut.
///
/// - Source: WHATWG HTML, "Server-sent events", interpreting an event stream.
package struct EventStreamParser: Sendable {
  private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  private let limit: Int
  private let code: SimplonError.Code
  private var line = [UInt8]()
  private var event = StreamedEvent()
  private var hasData = false
  private var isFirstLine = true
  private var endedWithReturn = false
  /// Bytes of the lines that the event under way is made of so far.
  private var size = 0

  /// Makes a parser for one body.
  ///
  /// - Parameters:
  ///   - limit: the most bytes of one event; comments do not count.
  ///   - code: the code of the error when an event has more.
  package init(limit: Int = 8 << 20, code: SimplonError.Code) {
    self.limit = limit
    self.code = code
  }

  /// Takes the next bytes; gives the events that are complete.
  ///
  /// - Throws: the parser's code when an event passes the limit.
  package mutating func feed(_ bytes: some Sequence<UInt8>) throws(SimplonError) -> [StreamedEvent] {
    var events = [StreamedEvent]()
    for byte in bytes {
      let followsReturn = endedWithReturn
      endedWithReturn = byte == UInt8(ascii: "\r")
      switch byte {
      case UInt8(ascii: "\n") where followsReturn: continue
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        if let event = endLine() { events.append(event) }
      default:
        guard size + line.count < limit else {
          throw SimplonError(code, "an event of the stream has more than \(limit) bytes")
        }
        line.append(byte)
      }
    }
    return events
  }

  private mutating func endLine() -> StreamedEvent? {
    defer { line.removeAll(keepingCapacity: true) }
    if isFirstLine, line.starts(with: Self.byteOrderMark) { line.removeFirst(Self.byteOrderMark.count) }
    isFirstLine = false
    guard !line.isEmpty else { return endEvent() }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = line[colon...].dropFirst()
    if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
    let text = String(decoding: value, as: UTF8.self)
    switch String(decoding: line[..<colon], as: UTF8.self) {
    case "id": if !value.contains(0) { event.id = text }
    case "event": event.kind = text
    case "data":
      if hasData { event.data += "\n" }
      event.data += text
      hasData = true
    default: return nil
    }
    size += line.count
    return nil
  }

  private mutating func endEvent() -> StreamedEvent? {
    defer {
      event = StreamedEvent()
      hasData = false
      size = 0
    }
    if event.kind.isEmpty { event.kind = "message" }
    return hasData ? event : nil
  }
}
