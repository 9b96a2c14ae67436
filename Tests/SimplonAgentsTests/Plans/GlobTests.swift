import SimplonAgents
import SimplonCore
import Testing

@Suite struct GlobTests {
  @Test(arguments: [
    ("report.md", "report.md", true), ("report.md", "a/report.md", false), ("report.md", "report_md", false),
    ("*.svg", "a.svg", true), ("*.svg", "a/b.svg", false), ("*.svg", ".svg", true), ("*", "a/b", false),
    ("**/*.svg", "a.svg", true), ("**/*.svg", "a/b/c.svg", true), ("**/*.svg", "a/b/c.svgz", false),
    ("a/**/z", "a/z", true), ("a/**/z", "a/b/c/z", true), ("a/**/z", "a/b/z/c", false), ("a/**/z", "b/z", false),
    ("a/**", "a/b", true), ("a/**", "a/b/c", true), ("a/**", "a", false), ("a/**", "ab/c", false), ("**", "a/b", true),
    ("**/**/x", "x", true), ("**/a/**/b/*.txt", "q/a/r/s/b/t.txt", true), ("**/a/**/b/*.txt", "q/a/r/s/t.txt", false),
    ("a?c", "abc", true), ("a?c", "ac", false), ("a?c", "a\u{e9}c", true), ("a?c", "a/c", false),
    ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[!a-c]x", "dx", true), ("[!a-c]x", "ax", false),
    ("[]]", "]", true), ("[a-]", "-", true), ("[-a]", "-", true), ("[!]]", "]", false), ("v[0-9]*", "v1.2", true),
    ("[abc0-9]", "b", true), ("[abc0-9]", "7", true), ("**.md", "readme.md", true), ("**.md", "a/readme.md", false),
    ("*a*b*c*", "xxaxxbxxcxx", true), ("*a*b*c*", "xxaxxcxxbxx", false), ("**/*", "a", true), ("a", "", false),
    ("caf\u{e9}", "cafe\u{301}", false),
  ])
  func `a pattern matches whole paths`(pattern: String, path: String, matches: Bool) throws {
    #expect(try Glob(pattern).matches(path) == matches)
  }

  @Test(arguments: [
    "", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "[a", "[]", "[!]", "[z-a]", "a/[b/c]", "a\u{0}",
    String(repeating: "a", count: 513),
  ])
  func `a pattern that leaves the folder or cannot be read is refused`(pattern: String) {
    #expect(failure { try Glob(pattern) }?.code == .planInvalid)
  }

  @Test(.timeLimit(.minutes(1))) func `no pattern takes for ever`() throws {
    let stars = try Glob(String(repeating: "*a", count: 200) + "b")
    #expect(!stars.matches(String(repeating: "a", count: 4000)))
    let folders = try Glob(String(repeating: "**/a/", count: 100) + "b")
    #expect(!folders.matches(Array(repeating: "a", count: 2000).joined(separator: "/")))
  }

  @Test func `it agrees with a plain backtracking matcher`() throws {
    var random = Seeded(state: 7)
    for _ in 0..<5000 {
      let pattern = (0..<Int.random(in: 1...4, using: &random)).map { _ in
        let names = ["**", "*", "a*", "*b", "a*b*", "?", "a", "b", "a?b", "[a-b]", "[!a]*"]
        return names.randomElement(using: &random) ?? "a"
      }
      let path = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        String((0..<Int.random(in: 1...4, using: &random)).map { _ in "abc".randomElement(using: &random) ?? "a" })
      }
      let text = pattern.joined(separator: "/")
      #expect(
        try Glob(text).matches(path.joined(separator: "/")) == Self.plainly(pattern[...], path[...]),
        "\(text) on \(path)")
    }
  }

  private static func plainly(_ pattern: ArraySlice<String>, _ path: ArraySlice<String>) -> Bool {
    guard let first = pattern.first else { return path.isEmpty }
    if first == "**" {
      if pattern.count == 1 { return !path.isEmpty }
      return plainly(pattern.dropFirst(), path) || (!path.isEmpty && plainly(pattern, path.dropFirst()))
    }
    guard let name = path.first else { return false }
    return plainName(Array(first)[...], Array(name)[...]) && plainly(pattern.dropFirst(), path.dropFirst())
  }

  private static func plainName(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == "*" {
      return plainName(pattern.dropFirst(), name) || (!name.isEmpty && plainName(pattern, name.dropFirst()))
    }
    guard let character = name.first else { return false }
    if first == "[" {
      let set = pattern.prefix { $0 != "]" }
      let holds = String(set) == "[a-b" ? "ab".contains(character) : character != "a"
      return holds && plainName(pattern.dropFirst(set.count + 1), name.dropFirst())
    }
    return (first == "?" || first == character) && plainName(pattern.dropFirst(), name.dropFirst())
  }
}
