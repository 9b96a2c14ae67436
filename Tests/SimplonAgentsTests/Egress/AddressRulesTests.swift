import SimplonCore
import Testing

@testable import SimplonAgents

struct AddressRulesTests {
  @Test(arguments: [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111",
    "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
  ])
  func `an address on the internet is open`(_ text: String) throws {
    #expect(AddressRules.verdict(on: try #require(NetworkAddress(text))) == .open)
  }

  @Test(arguments: [
    "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.254", "172.16.0.1",
    "172.31.255.255", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "::1", "fc00::1", "fdff::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:c0a8:1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1",
  ])
  func `an address of this machine or of a private network is inside`(_ text: String) throws {
    #expect(AddressRules.verdict(on: try #require(NetworkAddress(text))) == .inside)
  }

  @Test(arguments: [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::10.0.0.1", "::8.8.8.8", "::ffff:169.254.169.254", "::ffff:0:8.8.8.8",
    "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378::", "2001:db8::1",
    "2002:a00:1::", "2002:808:808::", "3fff::1", "4000::1", "5f00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
    "febf::1", "fec0::1", "ff02::1", "ff0e::1",
  ])
  func `an address that no request may go to is closed`(_ text: String) throws {
    #expect(AddressRules.verdict(on: try #require(NetworkAddress(text))) == .closed)
  }

  @Test(arguments: [
    "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "1.2.3.4.5", "fe80::1%eth0", "[::1]", "", "host",
  ])
  func `what is not the usual text of an address is none`(_ text: String) {
    #expect(NetworkAddress(text) == nil)
  }

  @Test func `every range of the table was read`() {
    #expect(AddressRules.ranges.count == 25)
    #expect(NetworkAddress("::ffff:1.2.3.4")?.description == "1.2.3.4")
    #expect(NetworkAddress("2001:DB8::0:1")?.description == "2001:db8::1")
  }
}
