import Dispatch

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A plain socket to 127.0.0.1, for what no HTTP client does: reading nothing, leaving, half a request.
final class RawConnection: Sendable {
  struct Failure: Error { let text: String }

  private let socket: CInt
  private let queue = DispatchQueue(label: "raw connection")

  /// Connects; its reads wait at most 30 s.
  init(port: Int) async throws {
    socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var small: CInt = 4096
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(MemoryLayout<CInt>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let isOpen = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isOpen else { throw Failure(text: "no connection to port \(port)") }
  }

  deinit { close() }

  /// Leaves.
  func close() { shutdown(socket, CInt(SHUT_RDWR)) }

  /// Writes all of the text.
  func send(_ text: String) async throws {
    let bytes = Array(text.utf8)
    guard Glibc.send(socket, bytes, bytes.count, 0) == bytes.count else { throw Failure(text: "not sent") }
  }

  /// Reads until the text was there so many times.
  func read(until mark: String, times: Int = 1) async throws -> String {
    var text = ""
    while text.split(separator: mark, omittingEmptySubsequences: false).count <= times {
      let more = try await chunk()
      guard !more.isEmpty else { throw Failure(text: "the connection ended after: \(text)") }
      text += more
    }
    return text
  }

  /// Reads all there is.
  func readToEnd() async throws -> String {
    var text = ""
    while case let more = try await chunk(), !more.isEmpty { text += more }
    return text
  }

  private func chunk() async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { [socket] in
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(socket, &bytes, bytes.count, 0)
        if count < 0 {
          continuation.resume(throwing: Failure(text: "read failed: \(errno)"))
        } else {
          continuation.resume(returning: String(decoding: bytes.prefix(count), as: UTF8.self))
        }
      }
    }
  }
}
