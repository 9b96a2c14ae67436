import SimplonCore

/// One server-sent event.
struct StreamedEvent: Sendable, Hashable {
  /// The event's number, when it has one.
  var id: Int64?
  /// Its name.
  var kind = "message"
  /// Its data, lines joined.
  var data = ""

  /// The data as JSON, or null.
  var json: JSON { (try? JSON(parsing: data, depth: ServerClient.depth)) ?? .null }
}

/// Splits a response body into server-sent events, however the bytes are cut.
///
/// - Source: WHATWG HTML, "Server-sent events", interpreting an event stream.
struct EventStreamParser: Sendable {
  private var line = [UInt8]()
  private var event = StreamedEvent()
  private var hasData = false
  private var endedWithReturn = false

  /// Takes the next bytes; gives the events that are complete.
  mutating func feed(_ bytes: some Sequence<UInt8>) -> [StreamedEvent] {
    var events = [StreamedEvent]()
    for byte in bytes {
      defer { endedWithReturn = byte == UInt8(ascii: "\r") }
      switch byte {
      case UInt8(ascii: "\n") where endedWithReturn: continue
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        if let event = endLine() { events.append(event) }
      default: line.append(byte)
      }
    }
    return events
  }

  private mutating func endLine() -> StreamedEvent? {
    defer { line.removeAll(keepingCapacity: true) }
    guard !line.isEmpty else {
      defer {
        event = StreamedEvent()
        hasData = false
      }
      return hasData ? event : nil
    }
    let text = String(decoding: line, as: UTF8.self)
    let name = text.prefix { $0 != ":" }
    var value = text.dropFirst(name.count + 1)
    if value.first == " " { value.removeFirst() }
    switch name {
    case "id": event.id = Int64(value)
    case "event": event.kind = String(value)
    case "data":
      event.data += hasData ? "\n" + value : value
      hasData = true
    default: break
    }
    return nil
  }
}
