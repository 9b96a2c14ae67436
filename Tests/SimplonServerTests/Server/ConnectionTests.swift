import HummingbirdTesting
import SimplonCore
import Testing

@testable import SimplonServer

/// What one connection may and may not do, on real sockets.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
  @Test func `the answer to HEAD has no body when it is an error either`() async throws {
    try await withServer(live: true) { server in
      let connection = try await RawConnection(port: server.client.port ?? 0)
      for (path, status) in [("/nope", 404), ("/agent/status", 401), ("/agent/execute", 405)] {
        try await connection.send("HEAD \(path) HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        let both = try await connection.read(until: "agent-api\"", times: 1)
        #expect(both.contains("HTTP/1.1 \(status) "))
        #expect(both.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "\(both)")
      }
    }
  }

  @Test func `a client of HTTP 1_0 gets no chunks and the end of the connection`() async throws {
    try await withServer(live: true) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(3, done: true))
      for target in ["/health", "/agent/logs?mode=stream&run_id=\(run.text)"] {
        let connection = try await RawConnection(port: server.client.port ?? 0)
        try await connection.send("GET \(target) HTTP/1.0\r\nAuthorization: Bearer \(server.owner)\r\n\r\n")
        let answer = try await connection.readToEnd()
        #expect(answer.hasPrefix("HTTP/1.0 200 OK\r\n"))
        #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
        #expect(!answer.lowercased().contains("chunked"))
        #expect(answer.hasSuffix(target == "/health" ? "}" : "}\n\n"))
      }
    }
  }

  @Test func `a client that waits to be asked for its body is asked, or refused without it`() async throws {
    try await withServer(live: true) { server in
      let head = "POST /agent/status HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
      let good = try await RawConnection(port: server.client.port ?? 0)
      try await good.send(head + "Content-Length: 2\r\nAuthorization: Bearer \(server.owner)\r\n\r\n")
      #expect(try await good.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
      try await good.send("{}")
      #expect(try await good.read(until: "next_cursor").hasPrefix("HTTP/1.1 200 OK\r\n"))
      let large = try await RawConnection(port: server.client.port ?? 0)
      try await large.send(head + "Content-Length: 9999999\r\nAuthorization: Bearer \(server.owner)\r\n\r\n")
      #expect(try await large.read(until: "hint").hasPrefix("HTTP/1.1 413 "))
      let stranger = try await RawConnection(port: server.client.port ?? 0)
      try await stranger.send(head + "Content-Length: 2\r\n\r\n")
      #expect(try await stranger.read(until: "hint").hasPrefix("HTTP/1.1 401 "))
    }
  }

  @Test(arguments: ["", "Host: a\r\nHost: b\r\n"])
  func `a request must name one host`(_ hosts: String) async throws {
    try await withServer(live: true) { server in
      let connection = try await RawConnection(port: server.client.port ?? 0)
      // What comes behind it is not answered either: nobody knows for whom it is.
      let good = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
      try await connection.send("GET /health HTTP/1.1\r\n\(hosts)\r\n" + good)
      let answer = try await connection.readToEnd()
      #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.split(separator: "HTTP/1.1 ").count == 1, "\(answer)")
    }
  }

  @Test func `a connection that sends nothing is closed, one that has asked is not`() async throws {
    try await withServer(configure: { $0.patience = .milliseconds(200) }, live: true) { server in
      let asks = try await RawConnection(port: server.client.port ?? 0)
      let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
      try await asks.send(get)
      _ = try await asks.read(until: "agent-api")
      let silent = try await RawConnection(port: server.client.port ?? 0)
      let slow = try await RawConnection(port: server.client.port ?? 0)
      try await slow.send("GET /health HTTP/1.1\r\nHo")
      #expect(try await silent.readToEnd() == "")
      #expect(try await slow.readToEnd() == "")
      try await asks.send(get)
      _ = try await asks.read(until: "agent-api")
    }
  }

  private static let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

  /// Opens a connection and asks; nil when it was closed instead.
  private func served(by server: ServerUnderTest) async throws -> RawConnection? {
    let connection = try await RawConnection(port: server.client.port ?? 0)
    let answer = try? await {
      try await connection.send(Self.get)
      return try await connection.read(until: "agent-api")
    }()
    return answer == nil ? nil : connection
  }

  @Test(arguments: [0, 1])
  func `one address has at most half of the connections, unless it is a proxy`(
    _ proxies: Int
  ) async throws {
    try await withServer(
      configure: {
        $0.maximumConnections = 8
        $0.trustedProxies = proxies
      }, live: true
    ) { server in
      var held = [RawConnection]()
      while held.count < 6, let next = try await served(by: server) { held.append(next) }
      // One of them may be the test's own client.
      #expect(proxies == 0 ? [3, 4].contains(held.count) : held.count == 6)
      guard proxies == 0 else { return }
      held[0].close()
      // The server may not have seen it yet.
      while try await served(by: server) == nil {}
    }
  }
}
