/// Which addresses a request may go to, whatever their names are.
///
/// - Source: IANA, "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose Address Registry"; the metadata
///   services of AWS, Azure, Google, Alibaba and Oracle.
enum AddressRules {
  enum Verdict: Sendable, Hashable {
    /// On the internet.
    case open
    /// On this machine or in a private network: only where the operator says so.
    case inside
    /// Never: metadata services, links, many at once, nowhere.
    case closed
  }

  /// Where the address is.
  static func verdict(on address: NetworkAddress) -> Verdict {
    if let inner = nat64(address) { return verdict(on: inner) }
    for range in ranges where range.holds(address) { return range.verdict }
    // All that is given out of IPv6 begins with the bits 001.
    return address.bytes.count == 4 || address.bytes[0] & 0xE0 == 0x20 ? .open : .closed
  }

  /// The IPv4 address that a translator reaches for this one.
  ///
  /// - Source: RFC 6052 §2.1, the well-known prefix 64:ff9b::/96.
  private static func nat64(_ address: NetworkAddress) -> NetworkAddress? {
    let prefix: [UInt8] = [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]
    return address.bytes.starts(with: prefix) ? NetworkAddress(bytes: Array(address.bytes.suffix(4))) : nil
  }

  /// The first that holds an address decides.
  static let ranges: [AddressRange] = [
    // Metadata services, some of them within private ranges.
    AddressRange("100.100.100.200/32", .closed), AddressRange("168.63.129.16/32", .closed),
    AddressRange("fd00:ec2::/32", .closed), AddressRange("fd20:ce::254/128", .closed),
    // IPv4
    AddressRange("0.0.0.0/8", .closed), AddressRange("10.0.0.0/8", .inside), AddressRange("100.64.0.0/10", .inside),
    AddressRange("127.0.0.0/8", .inside), AddressRange("169.254.0.0/16", .closed),
    AddressRange("172.16.0.0/12", .inside), AddressRange("192.0.0.0/24", .closed),
    AddressRange("192.0.2.0/24", .closed), AddressRange("192.88.99.0/24", .closed),
    AddressRange("192.168.0.0/16", .inside), AddressRange("198.18.0.0/15", .inside),
    AddressRange("198.51.100.0/24", .closed), AddressRange("203.0.113.0/24", .closed),
    AddressRange("224.0.0.0/4", .closed), AddressRange("240.0.0.0/4", .closed),
    // IPv6 within 2000::/3; outside of it only what is inside a network has a chance.
    AddressRange("2001::/23", .closed), AddressRange("2001:db8::/32", .closed), AddressRange("2002::/16", .closed),
    AddressRange("3fff::/20", .closed), AddressRange("::1/128", .inside), AddressRange("fc00::/7", .inside),
  ].compactMap(\.self)
}

/// Addresses that begin with the same bits.
struct AddressRange: Sendable {
  private let bytes: [UInt8]
  private let length: Int
  let verdict: AddressRules.Verdict

  /// Reads `address/bits`.
  init?(_ text: String, _ verdict: AddressRules.Verdict) {
    let parts = text.split(separator: "/")
    guard parts.count == 2, let address = NetworkAddress(String(parts[0])), let length = Int(parts[1]),
      (0...(address.bytes.count * 8)).contains(length)
    else { return nil }
    self.bytes = address.bytes
    self.length = length
    self.verdict = verdict
  }

  func holds(_ address: NetworkAddress) -> Bool {
    guard address.bytes.count == bytes.count else { return false }
    let whole = length / 8
    guard address.bytes.prefix(whole) == bytes.prefix(whole) else { return false }
    let mask = ~(UInt8.max >> UInt8(length % 8))
    return length % 8 == 0 || (address.bytes[whole] ^ bytes[whole]) & mask == 0
  }
}
