import Glibc
import Synchronization

/// Stands between a client and a server and cuts a connection off, as a failing network would.
final class Proxy: Sendable {
  enum Cut: Sendable {
    case never
    /// When the server has sent so many bytes on the first connection.
    case serverBytes(Int)
    /// When the client has sent so many bytes on the first connection.
    case clientBytes(Int)
    /// When the client has sent this word, which still reaches the server; the answer does not come back.
    case answerTo(String)
  }

  let port: Int
  private let listener: Int32
  private let path: String
  private let cut: Mutex<Cut>
  /// How many bytes the server has sent in all.
  let serverBytes = Counter()
  let clientBytes = Counter()

  init(to server: TestServer, cut: Cut = .never) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, 64) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    guard bound else { throw ShellError(text: "the proxy cannot listen") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    path = "\(server.folder)/.s.PGSQL.\(server.port)"
    self.cut = Mutex(cut)
    Self.thread { [self] in acceptAll() }
  }

  var dsn: String { "host=127.0.0.1 port=\(port) user=postgres dbname=postgres sslmode=disable gssencmode=disable" }

  /// Accepts no more; what is connected stays.
  func close() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else { break }
      _ = fcntl(client, F_SETFD, FD_CLOEXEC)
      let cut = cut.withLock { cut in
        if case .answerTo = cut { return cut }
        defer { cut = .never }
        return cut
      }
      Self.thread { [self] in carry(client, cut) }
    }
    Glibc.close(listener)
  }

  private func carry(_ client: Int32, _ cut: Cut) {
    let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer {
      Glibc.close(client)
      Glibc.close(server)
    }
    guard connectServer(server) else { return }
    var polled = [
      pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
    ]
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var sent = (client: 0, server: 0)
    while poll(&polled, 2, -1) > 0 {
      for (index, entry) in polled.enumerated() where entry.revents != 0 {
        var count = read(entry.fd, &buffer, buffer.count)
        guard count > 0 else { return }
        var isOver = false
        switch (cut, index) {
        case (.clientBytes(let limit), 0) where sent.client + count >= limit,
          (.serverBytes(let limit), 1) where sent.server + count >= limit:
          count = max(0, limit - (index == 0 ? sent.client : sent.server))
          isOver = true
        case (.answerTo(let word), 0): isOver = buffer[..<count].contains(word.utf8)
        default: break
        }
        if index == 0 { sent.client += count } else { sent.server += count }
        (index == 0 ? clientBytes : serverBytes).add(count)
        var written = 0
        while written < count {
          let size = buffer[written..<count].withUnsafeBytes {
            send(index == 0 ? server : client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
          }
          guard size > 0 else { return }
          written += size
        }
        guard isOver else { continue }
        if case .answerTo = cut {
          // The server does all that it was told before it sees the end, and nobody learns it.
          shutdown(server, Int32(SHUT_WR))
          while read(server, &buffer, buffer.count) > 0 {}
        }
        return
      }
    }
  }

  private func connectServer(_ server: Int32) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(server, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  private static func thread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
      let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
    pthread_detach(thread)
  }
}
