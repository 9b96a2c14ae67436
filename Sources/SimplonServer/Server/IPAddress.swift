import SimplonCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An IPv4 or IPv6 address; an IPv4 address in the form of IPv6 is the IPv4 address.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  /// Four or sixteen.
  private let bytes: [UInt8]

  /// Reads an address as proxies write it, with or without a port or a zone; nil for anything else.
  init?(_ text: some StringProtocol) {
    var text = String(text).filter { $0 != " " && $0 != "\t" }
    if text.first == "[" {
      text = String(text.dropFirst().prefix { $0 != "]" })
    } else if text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 {
      text = String(text.prefix { $0 != ":" })
    }
    text = String(text.prefix { $0 != "%" })
    var short = in_addr()
    var long = in6_addr()
    if inet_pton(AF_INET, text, &short) == 1 {
      bytes = withUnsafeBytes(of: short) { Array($0) }
    } else if inet_pton(AF_INET6, text, &long) == 1 {
      let all = withUnsafeBytes(of: long) { Array($0) }
      let isMapped = all.prefix(10).allSatisfy { $0 == 0 } && all[10] == 0xFF && all[11] == 0xFF
      bytes = isMapped ? Array(all.suffix(4)) : all
    } else {
      return nil
    }
  }

  /// What shares a rate: the IPv4 address, or the first half of the IPv6 address, as one customer has all of the rest.
  var network: String { bytes.count == 4 ? description : bytes.prefix(8).hex }

  /// The usual text.
  var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
