import Dispatch
import Glibc
package import Synchronization

/// An HTTP server on 127.0.0.1 that gives one answer after the other, each on a connection of its own.
package final class CannedServer: Sendable {
  /// Where it listens.
  package let port: Int
  /// What was asked so far, head and body.
  package let requests = Mutex([String]())
  private let socket: CInt

  /// Makes one that gives these answers, and afterwards none.
  package init(_ answers: [String]) {
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
        let request = Self.read(connection)
        requests.withLock { $0.append(request) }
        // An empty answer leaves the client waiting until it goes.
        if answer.isEmpty { _ = Self.read(connection) }
        _ = send(connection, answer, answer.utf8.count, CInt(MSG_NOSIGNAL))
        close(connection)
      }
    }
  }

  deinit { close(socket) }

  /// Where it is for whoever is told that this name is at 127.0.0.1.
  package func url(_ host: String = "127.0.0.1", _ path: String = "/") -> String { "http://\(host):\(port)\(path)" }

  /// An answer that ends with its connection.
  package static func answer(_ status: String, _ headers: String..., body: String = "") -> String {
    (["HTTP/1.1 \(status)", "Connection: close"] + headers + ["", body]).joined(separator: "\r\n")
  }

  /// Everything up to the end of the body, whose length the head tells.
  private static func read(_ connection: CInt) -> String {
    var all = [UInt8]()
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(connection, &bytes, bytes.count, 0)
      guard count > 0 else { break }
      all += bytes.prefix(count)
      let text = String(decoding: all, as: UTF8.self)
      guard let end = text.firstRange(of: "\r\n\r\n") else { continue }
      let head = text[..<end.lowerBound].lowercased()
      let length = head.firstRange(of: "content-length: ").flatMap { found in
        Int(head[found.upperBound...].prefix { $0.isNumber })
      }
      if text[end.upperBound...].utf8.count >= length ?? 0 { break }
    }
    return String(decoding: all, as: UTF8.self)
  }
}
