import Glibc
import Testing

/// A listening socket of the machine's own, for tools to fail to reach.
final class Listener {
  enum Address {
    case loopback
    case abstract(String)
  }

  let port: Int
  let name: String
  private let descriptor: CInt
  private let address: [UInt8]

  init(_ address: Address) throws {
    let descriptor: CInt
    switch address {
    case .loopback:
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var own = sockaddr_in()
      own.sin_family = sa_family_t(AF_INET)
      own.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
      self.address = withUnsafeBytes(of: own) { Array($0) }
      name = ""
    case .abstract(let name):
      descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      self.address = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) } + [0] + Array(name.utf8)
      self.name = name
    }
    self.descriptor = descriptor
    var own = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = self.address.withUnsafeBytes { bytes in
      bind(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    withUnsafeMutablePointer(to: &own) { pointer in
      _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    port = Int(UInt16(bigEndian: own.sin_port))
    try #require(bound == 0 && listen(descriptor, 5) == 0)
  }

  deinit { close(descriptor) }

  /// Whether this process can connect to it: the proof that a refusal is the sandbox's.
  var canBeReached: Bool {
    let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    return address.withUnsafeBytes { bytes in
      connect(client, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count)) == 0
    }
  }
}
