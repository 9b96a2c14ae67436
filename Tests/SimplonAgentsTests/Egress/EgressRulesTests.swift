import SimplonCore
import Testing

@testable import SimplonAgents

struct EgressRulesTests {
  @Test(arguments: [
    ("http://Example.COM", "http://example.com/"), ("https://a.example:443/x?y#z", "https://a.example/x?y"),
    ("HTTP://a.example:8080?q=1", "http://a.example:8080/?q=1"), ("https://a.example./", "https://a.example/"),
    ("http://[::1]:81/", "http://[::1]:81/"), ("http://[::FFFF:1.2.3.4]/", "http://1.2.3.4/"),
    ("http://a_b.example/%20", "http://a_b.example/%20"), ("http://a/%7Eb/%2f%c3%BC", "http://a/~b/%2F%C3%BC"),
    ("http://a/b/../c/./d/..", "http://a/c/"), ("http://a/../%2e%2E/b?c/../d=%64", "http://a/b?c/../d=d"),
    ("http://a//b//..", "http://a//b/"), ("http://a/b/.?.", "http://a/b/?."), ("http://a?%41/..", "http://a/?A/.."),
    ("http://a/b...", "http://a/b..."), ("http://2130706433/", "http://2130706433/"),
  ])
  func `a URL is read into one form`(_ text: String, _ read: String) throws {
    #expect(try EgressURL(text).text == read)
  }

  @Test(arguments: [
    "", "a.example", "//a.example", "ftp://a.example", "file:///etc/passwd", "http://", "http:///x",
    "http://user@a.example/", "http://user:secret@a.example/", "http://a.example:0/", "http://a.example:65536/",
    "http://a.example:/", "http://a.example:8x/", "http://a b/", "http://a.example/\\..", "http://a.example\\@b/",
    "http://a..example/", "http://.example/", "http://[fe80::1%25eth0]/", "http://[::1/", "http://[a]/",
    "http://\u{E4}.example/", "http://a.example/\n", "http://a.example/|", "http://a%2eexample/",
    "http://a/%", "http://a/%2", "http://a/%+1", "http://a/%2%65", "http://a/?%%37",
    "http+unix://%2Frun%2Fdocker.sock/", "unix:///run/docker.sock",
  ])
  func `a URL that can be understood in several ways is refused, and not repeated`(_ text: String) {
    let error = #expect(throws: SimplonError.self) { try EgressURL(text) }
    #expect(error?.code == .toolInput && error?.message.contains("secret") == false)
  }

  @Test func `names and values are added to the query, encoded`() throws {
    let more = [(name: "a b", value: "x&y=z/\u{FC}"), (name: "n", value: "1")]
    #expect(try EgressURL("http://h/p").adding(more).text == "http://h/p?a%20b=x%26y%3Dz%2F%C3%BC&n=1")
    #expect(try EgressURL("http://h/p?q=1").adding([more[1]]).text == "http://h/p?q=1&n=1")
    #expect(try EgressURL("http://h?").adding([more[1]]).text == "http://h/?n=1")
    #expect(try EgressURL("http://h/p").adding([]).text == "http://h/p")
  }

  @Test(arguments: [
    ("a.example", "https://a.example/", true), ("a.example", "http://a.example/", true),
    ("A.Example", "http://a.EXAMPLE/", true), ("a.example", "http://b.a.example/", false),
    ("a.example", "http://a.example.evil.test/", false), ("a.example", "http://a.example:8080/", false),
    ("a.example:8080", "http://a.example:8080/", true), ("a.example:8080", "http://a.example/", false),
    ("*.a.example", "http://b.a.example/", true), ("*.a.example", "http://c.b.a.example/", true),
    ("*.a.example", "http://a.example/", false), ("*.a.example", "http://evila.example/", false),
    ("*", "http://anything.test/", true), ("*", "http://anything.test:81/", false),
    ("*:81", "http://anything.test:81/", true), ("[::1]:81", "http://[0:0::1]:81/", true),
    ("127.0.0.1", "http://127.0.0.1/", true),
  ])
  func `a pattern lets through what it names only`(_ pattern: String, _ url: String, _ passes: Bool) throws {
    let rules = try EgressRules(["other.test", pattern])
    let url = try EgressURL(url)
    if passes {
      try rules.check(url)
    } else {
      let error = #expect(throws: SimplonError.self) { try rules.check(url) }
      #expect(error?.code == .toolEgress)
    }
  }

  @Test(arguments: ["", "http://a.example", "a example", "*.", "a*.example", "a.example:", "a.example:99999", "a/b"])
  func `what is no pattern stops the start and names the key`(_ pattern: String) {
    let error = #expect(throws: SimplonError.self) { try EgressRules([pattern]) }
    #expect(error?.code == .configInvalid && error?.details?["key"] == "SIMPLON_EGRESS_ALLOW")
  }

  @Test func `without hosts the refusal names the setting`() throws {
    let url = try EgressURL("https://a.example/")
    let error = #expect(throws: SimplonError.self) { try EgressRules.closed.check(url) }
    #expect(error?.code == .toolEgress && error?.hint?.contains("SIMPLON_EGRESS_ALLOW") == true)
  }

  @Test func `of a host's addresses only those that are open are called`() throws {
    let addresses = ["10.0.0.1", "1.1.1.1", "169.254.169.254"].compactMap { NetworkAddress($0) }
    func open(_ rules: EgressRules, _ insideToo: Bool = false) throws -> [String] {
      try rules.open(addresses, of: "a.example", insideToo: insideToo).map(\.description)
    }
    #expect(try open(EgressRules(["*"])) == ["1.1.1.1"])
    #expect(try open(EgressRules(["*"]), true) == ["10.0.0.1", "1.1.1.1"])
    #expect(try open(EgressRules(["*"], allowsPrivate: true)) == ["10.0.0.1", "1.1.1.1"])
    let metadata = [try #require(NetworkAddress("169.254.169.254"))]
    let error = #expect(throws: SimplonError.self) {
      try EgressRules(["*"], allowsPrivate: true).open(metadata, of: "a.example", insideToo: true)
    }
    #expect(error?.code == .toolEgress && error?.message.contains("169") == false)
  }
}
