import Testing

@testable import SimplonServer

@Suite struct ByteRangeTests {
  @Test(
    arguments: [
      ("bytes=0-0", .bytes(0..<1)),
      ("bytes=2-5", .bytes(2..<6)),
      ("bytes=2-", .bytes(2..<10)),
      ("bytes=2-99999999999999999999999", .bytes(2..<10)),
      ("bytes=-3", .bytes(7..<10)),
      ("bytes=-99", .bytes(0..<10)),
      ("bytes=10-", .unsatisfiable),
      ("bytes=99999999999999999999999-", .unsatisfiable),
      ("bytes=-0", .unsatisfiable),
      ("bytes=5-2", nil),
      ("bytes=-", nil),
      ("bytes=a-b", nil),
      ("bytes=0-1,3-4", nil),
      ("bytes=+1-2", nil),
      ("lines=0-1", nil),
      ("", nil),
    ] as [(String, ByteRange?)])
  func `a header asks for these of ten bytes`(_ header: String, _ expected: ByteRange?) {
    #expect(ByteRange(header, of: 10) == expected)
  }

  @Test func `of an empty file every range is unsatisfiable`() {
    #expect(ByteRange("bytes=0-", of: 0) == .unsatisfiable)
    #expect(ByteRange("bytes=-1", of: 0) == .unsatisfiable)
    #expect(ByteRange(nil, of: 0) == nil)
  }

  @Test(arguments: [
    ("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false),
  ])
  func `an entity tag matches`(_ header: String, _ expected: Bool) {
    #expect(ETag.matches(header, "\"a\"") == expected)
    #expect(!ETag.matches(nil, "\"a\""))
  }

  @Test(arguments: [
    ("report.md", "attachment; filename=\"report.md\""),
    ("a b.svg", "attachment; filename=\"a b.svg\""),
    ("a\"; x=\"b", "attachment; filename=\"a__ x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
    ("a\\", "attachment; filename=\"a_\"; filename*=UTF-8''a%5C"),
    ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
    ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ("ü 50%;'~.txt", "attachment; filename=\"_ 50__'~.txt\"; filename*=UTF-8''%C3%BC%2050%25%3B%27~.txt"),
    ("../../etc/passwd", "attachment; filename=\"passwd\""),
    ("sl/\u{301}x", "attachment; filename=\"_x\"; filename*=UTF-8''%CC%81x"),
    ("", "attachment; filename=\"file\""),
  ])
  func `a file's name is safe in its header`(_ name: String, _ expected: String) {
    #expect(ContentDisposition.attachment(name) == expected)
  }

  @Test func `a file's name is cut in its header`() {
    let (long, cut) = (String(repeating: "x", count: 201), String(repeating: "x", count: 200))
    #expect(ContentDisposition.attachment(cut) == "attachment; filename=\"\(cut)\"")
    #expect(ContentDisposition.attachment(long) == "attachment; filename=\"\(cut)\"; filename*=UTF-8''\(cut)")
  }
}
