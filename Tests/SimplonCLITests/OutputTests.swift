import Testing

@testable import simplon

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct OutputTests {
  @Test(arguments: [
    ("\u{1B}]0;title\u{07}x", " ]0;title x"), ("a\r\nb\tc", "a  b\tc"), ("\u{9B}31mred\u{7F}", " 31mred "),
    ("grün ✓", "grün ✓"), ("a\u{2028}b\u{202E}c\u{2066}d", "a b c d"),
  ])
  func `what would steer a terminal is taken out of a text`(_ text: String, _ expected: String) {
    #expect(Print.clean(text) == expected)
  }

  @Test func `what nobody reads or cannot be written is no success`() throws {
    signal(SIGPIPE, SIG_IGN)
    var ends: [CInt] = [0, 0]
    try #require(pipe(&ends) == 0)
    close(ends[0])
    #expect(throws: Print.Failure.readerGone) { try Print.write("x", to: ends[1]) }
    close(ends[1])
    let full = open("/dev/full", O_WRONLY)
    #expect(throws: Print.Failure.system(ENOSPC)) { try Print.write("x", to: full) }
    close(full)
  }

  @Test func `a bar shows amount, rate and time left`() {
    let bytes = Progress("report.md", of: 4_000_000, .bytes, asJSON: false)
    #expect(
      bytes.text(1_000_000, after: .seconds(2))
        == "report.md █████░░░░░░░░░░░░░░░ 1.0 MB of 4.0 MB 500.0 kB/s, 6 s left")
    #expect(bytes.text(0, after: .zero) == "report.md ░░░░░░░░░░░░░░░░░░░░ 0 B of 4.0 MB 0 B/s")
    let items = Progress("applying", of: 10, .items, asJSON: false)
    #expect(items.text(10, after: .seconds(1)) == "applying ████████████████████ 10 of 10, 0 s left")
    #expect(Progress("x", of: nil, .bytes, asJSON: false).text(999, after: .seconds(1)) == "x 999 B 999 B/s")
  }
}
