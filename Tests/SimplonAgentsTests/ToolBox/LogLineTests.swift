import SimplonCore
import Testing

@testable import SimplonAgents

struct LogLineTests {
  private func lines(_ pieces: [[UInt8]]) -> [LogLine] {
    var splitter = LogLineSplitter(.stdout, room: .max)
    var lines = [LogLine]()
    for piece in pieces { splitter.add(piece) { lines.append($0) } }
    splitter.finish { lines.append($0) }
    return lines
  }

  @Test func `lines are the same however the bytes come`() {
    let text = "one\n\nzwei ü\n日本語 🎉\nlast"
    let bytes = Array(text.utf8)
    let expected = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for size in 1...bytes.count {
      let pieces = stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
      let found = lines(pieces)
      #expect(found.map(\.text) == expected)
      #expect(found.allSatisfy { !$0.damaged && $0.level == "info" && $0.stream == "stdout" })
    }
  }

  @Test func `bad bytes and NUL are replaced and flagged`() {
    let found = lines([[0x61, 0xFF, 0x62, 10, 0x63, 0, 0x64, 10, 0x65, 10, 0xC3]])
    #expect(found.map(\.text) == ["a\u{FFFD}b", "c\u{FFFD}d", "e", "\u{FFFD}"])
    #expect(found.map(\.damaged) == [true, true, false, true])
  }

  @Test func `a long line is split between characters`() {
    let text = String(repeating: "日", count: 12_000)
    let found = lines([Array((text + "\nshort\n").utf8)])
    #expect(found.dropLast().map(\.text).joined() == text)
    #expect(found.allSatisfy { !$0.damaged && $0.text.utf8.count <= LogLineSplitter.limit })
    #expect(found.last?.text == "short")
    let exact = String(repeating: "x", count: LogLineSplitter.limit)
    #expect(lines([Array((exact + "\n").utf8)]).map(\.text) == [exact])
  }

  @Test func `a line of nothing but trailing bytes is split all the same`() {
    let found = lines([Array(repeating: 0x80, count: 40_000)])
    #expect(found.count == 3)
    #expect(found.allSatisfy { $0.damaged })
  }

  @Test func `a line of nothing takes room too, and what finds none is dropped`() {
    var splitter = LogLineSplitter(.stdout, room: 10 * LogLineSplitter.leastCost)
    var found = [LogLine]()
    splitter.add(Array(repeating: 10, count: 10)) { found.append($0) }
    #expect(found.count == 10 && !splitter.hasDropped)
    splitter.add([10]) { found.append($0) }
    splitter.finish { found.append($0) }
    #expect(found.count == 10 && splitter.hasDropped)
  }

  @Test func `stderr warns`() {
    var splitter = LogLineSplitter(.stderr, room: .max)
    var found = [LogLine]()
    splitter.add(Array("x\n".utf8)) { found.append($0) }
    #expect(found == [LogLine(level: "warn", text: "x", stream: .stderr)])
  }
}
