#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An IPv4 or IPv6 address; an IPv4 address in the form of IPv6 is the IPv4 address.
package struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
  /// Four or sixteen.
  package let bytes: [UInt8]

  init(bytes: [UInt8]) {
    let isMapped = bytes.count == 16 && bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
    self.bytes = isMapped ? Array(bytes.suffix(4)) : bytes
  }

  /// Reads the usual text of an address, without brackets, port or zone; nil for anything else, `127.1` too.
  package init?(_ text: String) {
    var short = in_addr()
    var long = in6_addr()
    if inet_pton(AF_INET, text, &short) == 1 {
      self.init(bytes: withUnsafeBytes(of: short) { Array($0) })
    } else if inet_pton(AF_INET6, text, &long) == 1 {
      self.init(bytes: withUnsafeBytes(of: long) { Array($0) })
    } else {
      return nil
    }
  }

  /// Reads what the system's resolver gives; nil for other families.
  init?(_ address: UnsafePointer<sockaddr>) {
    switch CInt(address.pointee.sa_family) {
    case CInt(AF_INET):
      self = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin_addr) { NetworkAddress(bytes: Array($0)) }
      }
    case CInt(AF_INET6):
      self = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin6_addr) { NetworkAddress(bytes: Array($0)) }
      }
    default: return nil
    }
  }

  /// The usual text.
  package var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
