import SimplonAgents
import Testing

@testable import SimplonServer

@Suite struct NetworkAddressTests {
  @Test(arguments: [
    ("10.1.2.3", "10.1.2.3"), (" 10.1.2.3:5678", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.2.3"),
    ("[::ffff:10.1.2.3]:443", "10.1.2.3"), ("2001:DB8::1", "2001:db8::1"), ("[2001:db8::1]:443", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
  ])
  func `an address is read as proxies write it`(_ text: String, _ expected: String) {
    #expect(NetworkAddress(forwarded: text)?.description == expected)
  }

  @Test(arguments: ["", "unknown", "_hidden", "10.1.2", "10.1.2.3.4", "2001:db8::1::2", "[", ":", "example.com:80"])
  func `what is no address is none`(_ text: String) {
    #expect(NetworkAddress(forwarded: text) == nil)
  }

  @Test(arguments: [
    ("2001:db8::1", "2001:db8::2", true), ("2001:db8::1", "2001:db8:0:0:9:9:9:9", true),
    ("2001:db8:0:1::1", "2001:db8:0:2::1", false), ("10.1.2.3:1", "10.1.2.3:2", true), ("10.1.2.3", "10.1.2.4", false),
    ("::ffff:10.1.2.3", "10.1.2.3", true), ("::ffff:10.1.2.3", "::ffff:10.1.2.4", false),
  ])
  func `one customer's addresses share a bucket`(_ one: String, _ other: String, _ together: Bool) throws {
    let networks = try [one, other].map { try #require(NetworkAddress(forwarded: $0)).network }
    #expect((networks[0] == networks[1]) == together)
  }
}
