import Testing

@testable import simplon

struct EventStreamParserTests {
  private let text = "retry: 10\r\n\r\n: hi\n\nid: 7\nevent: log\ndata: {\"a\":\"ü\"}\n\nid: 8\ndata: x\ndata:y\n\n"

  @Test func `events come out the same wherever the bytes are cut`() {
    let expected = [
      StreamedEvent(id: 7, kind: "log", data: "{\"a\":\"ü\"}"), StreamedEvent(id: 8, kind: "message", data: "x\ny"),
    ]
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      var parser = EventStreamParser()
      #expect(parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...]) == expected)
    }
    let returns = Array(text.replacing("\r\n", with: "\n").replacing("\n", with: "\r").utf8)
    var parser = EventStreamParser()
    #expect(returns.flatMap { parser.feed([$0]) } == expected)
  }
}
