import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A server on 127.0.0.1 that gives one answer after the other, each on a connection of its own.
final class CannedServer: Sendable {
  let port: Int
  /// The heads of the requests so far.
  let requests = Mutex([String]())
  private let socket: CInt

  init(_ answers: [String]) {
    let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(socket, $0, length)
        _ = listen(socket, 16)
        _ = getsockname(socket, $0, &length)
      }
    }
    self.socket = socket
    port = Int(UInt16(bigEndian: address.sin_port))
    DispatchQueue(label: "canned server").async { [self] in
      for answer in answers {
        let connection = accept(socket, nil, nil)
        guard connection >= 0 else { return }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(connection, &bytes, bytes.count, 0)
        requests.withLock { $0.append(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)) }
        _ = send(connection, answer, answer.utf8.count, CInt(MSG_NOSIGNAL))
        close(connection)
      }
    }
  }

  deinit { close(socket) }

  /// An answer that ends with its connection.
  static func answer(_ status: String, _ headers: String..., body: String = "") -> String {
    (["HTTP/1.1 \(status)", "Connection: close"] + headers + ["", body]).joined(separator: "\r\n")
  }
}
