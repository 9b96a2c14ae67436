package import SimplonCore

#if canImport(Glibc)
  import Glibc
  private let stream = CInt(SOCK_STREAM.rawValue)
#else
  import Darwin
  private let stream = SOCK_STREAM
#endif

/// Whether something listens on the Unix socket of that port in that folder.
func isListening(socketFolder: String, port: Int) -> Bool {
  let path = Array("\(socketFolder)/.s.PGSQL.\(port)".utf8)
  var address = sockaddr_un()
  guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
  let descriptor = socket(AF_UNIX, stream, 0)
  guard descriptor >= 0 else { return false }
  defer { close(descriptor) }
  return withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
    }
  }
}

/// Finds a port on 127.0.0.1 that nothing listens on.
///
/// - Parameters:
///   - port: the wanted port, or 0 for any free one.
///   - option: the option that chooses another one, for the hint.
/// - Returns: the port; another program may take it before its user does.
/// - Throws: `dev.port_taken`.
package func freePort(_ port: Int, option: String) throws(SimplonError) -> Int {
  guard let wanted = UInt16(exactly: port) else {
    throw SimplonError(.configInvalid, "\(option) is \(port); it must be a port from 0 to 65535")
  }
  let descriptor = socket(AF_INET, stream, 0)
  defer { close(descriptor) }
  var yes: CInt = 1
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = wanted.bigEndian
  address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let bound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
    }
  }
  guard bound else { throw SimplonError.portTaken(port, option: option) }
  return Int(UInt16(bigEndian: address.sin_port))
}

extension SimplonError {
  /// The port is in use, or may not be used.
  static func portTaken(_ port: Int, option: String) -> SimplonError {
    SimplonError(
      .devPortTaken, "port \(port) on 127.0.0.1 is in use",
      hint: "Stop the program that uses it, or choose another port with \(option) (0: any free one).",
      details: ["port": .integer(port)])
  }
}
