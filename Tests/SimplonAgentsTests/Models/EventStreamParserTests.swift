import SimplonCore
import Testing

@testable import SimplonAgents

struct EventStreamParserTests {
  private static let text =
    "retry: 10\n\n: hi\n\nid: 7\nevent: log\ndata: {\"a\":\"ü🙂\"}\n\nid: x y\nevent:\ndata:  x\ndata:y\nnew: field\n\ndata\n\n"
  private static let expected = [
    StreamedEvent(id: "7", kind: "log", data: "{\"a\":\"ü🙂\"}"), StreamedEvent(id: "x y", data: " x\ny"),
    StreamedEvent(data: ""),
  ]

  @Test(arguments: ["\n", "\r\n", "\r"], ["", "\u{FEFF}"])
  func `events come out the same wherever the bytes are cut`(_ newline: String, _ mark: String) throws {
    let bytes = Array((mark + Self.text.replacing("\n", with: newline)).utf8)
    for cut in 0...bytes.count {
      var parser = EventStreamParser(code: .modelProtocol)
      let events = try parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...])
      #expect(events == Self.expected, "cut at \(cut)")
    }
    var parser = EventStreamParser(code: .modelProtocol)
    var events = [StreamedEvent]()
    for byte in bytes { events += try parser.feed([byte]) }
    #expect(events == Self.expected)
  }

  @Test func `an event that nothing ends is none`() throws {
    var parser = EventStreamParser(code: .modelProtocol)
    let events = try parser.feed("data: x\n".utf8)
    #expect(events == [])
  }

  @Test func `names and values are cut as bytes, and text that is broken is mended`() throws {
    var parser = EventStreamParser(code: .modelProtocol)
    // An accent that comes behind the colon makes one character of the two; a mark that is not at the start stays.
    let bytes = Array("data:\u{301}a\ndata: \u{FEFF}\nid: a\0b\ndata: ".utf8) + [0xFF] + Array("\n\n".utf8)
    let events = try parser.feed(bytes)
    #expect(events == [StreamedEvent(data: "\u{301}a\n\u{FEFF}\n\u{FFFD}")])
  }

  @Test func `an event passes no limit of size, and comments do not count`() throws {
    var parser = EventStreamParser(limit: 20, code: .modelProtocol)
    var events = [StreamedEvent]()
    for _ in 0..<10 { events += try parser.feed(": still there\n".utf8) }
    events += try parser.feed("data: 1\ndata: 2\n\ndata: 3\n\n".utf8)
    #expect(events.map(\.data) == ["1\n2", "3"])
    let error = #expect(throws: SimplonError.self) {
      try parser.feed("data: 1\ndata: 2\ndata: 3\n\n".utf8)
    }
    #expect(error?.code == .modelProtocol)
  }
}
