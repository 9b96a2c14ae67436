import FoundationEssentials
import HTTPTypes
import HummingbirdTesting
import SimplonCore
import Testing

@testable import SimplonServer

/// Streams over real sockets: what only a connection shows.
@Suite(.timeLimit(.minutes(1))) struct LiveStreamTests {
  @Test func `on shutdown open streams end with a hint to come back`() async throws {
    let ended = AsyncStream.makeStream(of: String.self)
    try await withServer(live: true) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(1, done: false))
      let connection = try await RawConnection(port: server.client.port ?? 0)
      try await connection.send(server.streamRequest(run))
      _ = try await connection.read(until: "id: 1\n")
      // Unstructured, because the server stops when this closure ends, and the rest must be read after that.
      Task {
        ended.continuation.yield((try? await connection.readToEnd()) ?? "broken")
        ended.continuation.finish()
      }
    }
    let rest = await ended.stream.first { _ in true } ?? ""
    #expect(rest.contains("event: reconnect\nretry: 1000\n"))
    #expect(rest.hasSuffix("0\r\n\r\n"))
  }

  @Test func `a reader that takes nothing is cut off and the others go on`() async throws {
    try await withServer(configure: { $0.stallLimit = .milliseconds(400) }, live: true) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(20_000, length: 1000, done: false))
      let asleep = try await RawConnection(port: server.client.port ?? 0)
      try await asleep.send(server.streamRequest(run))
      let awake = try await RawConnection(port: server.client.port ?? 0)
      try await awake.send(server.streamRequest(run, after: 20_000))
      while !(try await server.send(.get, "/metrics")).text.contains("http_streams_stalled_total 1\n") {
        try await Task.sleep(for: .milliseconds(20))
      }
      try await server.append(run, ServerUnderTest.lines(0, done: true))
      #expect(try await awake.read(until: "event: done").contains("id: 20001\n"))
      while !(try await server.send(.get, "/metrics")).text.contains("http_streams_open 0\n") {
        try await Task.sleep(for: .milliseconds(20))
      }
      asleep.close()
    }
  }

  @Test func `a download whose reader takes nothing is cut off`() async throws {
    try await withServer(configure: { $0.stallLimit = .milliseconds(400) }, live: true) { server in
      let asleep = try await server.openDownload(bytes: 30_000_000)
      while !(try await server.send(.get, "/metrics")).text.contains("http_streams_stalled_total 1\n") {
        try await Task.sleep(for: .milliseconds(20))
      }
      asleep.close()
    }
  }

  /// The suite's time limit is what fails here: without the hurry the server waits a minute, or for ever.
  @Test(arguments: ["stream", "file"])
  func `readers that take nothing do not hold up the stop`(_ kind: String) async throws {
    try await withServer(live: true) { server in
      if kind == "file" {
        _ = try await server.openDownload(bytes: 30_000_000)
      } else {
        let run = try await server.makeRun(ServerUnderTest.lines(20_000, length: 1000, done: false))
        let asleep = try await RawConnection(port: server.client.port ?? 0)
        try await asleep.send(server.streamRequest(run))
        _ = try await asleep.read(until: "id: 1\n")
      }
    }
  }

  @Test func `headers that are too large end the connection without an answer of ours`() async throws {
    try await withServer(live: true) { server in
      let connection = try await RawConnection(port: server.client.port ?? 0)
      let header = "X-Long: " + String(repeating: "x", count: 70_000)
      try await connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\(header)\r\n\r\n")
      let answer = try await connection.readToEnd()
      #expect(answer.hasPrefix("HTTP/1.1 400 "))
      #expect(answer.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func `a quiet stream has heartbeats and its connection serves on`() async throws {
    try await withServer(configure: { $0.heartbeat = .milliseconds(20) }, live: true) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(1, done: false))
      let connection = try await RawConnection(port: server.client.port ?? 0)
      try await connection.send(server.streamRequest(run))
      _ = try await connection.read(until: ":\n\n", times: 3)
      try await server.append(run, ServerUnderTest.lines(0, done: true))
      _ = try await connection.read(until: "0\r\n\r\n")
      try await connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(try await connection.read(until: "agent-api").hasPrefix("HTTP/1.1 200 OK"))
    }
  }

  @Test func `a reader that leaves is noticed at once`() async throws {
    try await withServer(configure: { $0.heartbeat = .seconds(3600) }, live: true) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(1, done: false))
      let connection = try await RawConnection(port: server.client.port ?? 0)
      try await connection.send(server.streamRequest(run))
      _ = try await connection.read(until: "id: 1\n")
      connection.close()
      while !(try await server.send(.get, "/metrics")).text.contains("http_streams_open 0\n") {
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  @Test func `a port that is taken is named`() async throws {
    try await withServer(live: true) { server in
      let port = try #require(server.client.port)
      let second = server.another(ServerConfiguration(host: "localhost", port: port, version: "1.2.3"))
      let error = await #expect(throws: SimplonError.self) { try await second.run() }
      #expect(error?.code == .devPortTaken)
      #expect(error?.message.contains(String(port)) == true)
    }
  }

  @Test(arguments: ["192.0.2.1", "no.such.host.invalid"])
  func `an address that is none of this machine's is named`(_ host: String) async throws {
    try await withServer(live: true) { server in
      let second = server.another(ServerConfiguration(host: host, port: 0, version: "1.2.3"))
      let error = await #expect(throws: SimplonError.self) { try await second.run() }
      #expect(error?.code == .configInvalid)
      #expect(error?.message.contains(host) == true)
    }
  }

  @Test func `a body that does not say how long it is ends at the limit too`() async throws {
    try await withServer(live: true) { server in
      let connection = try await RawConnection(port: server.client.port ?? 0)
      try await connection.send(
        "POST /agent/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(server.owner)\r\n"
          + "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n400001\r\n")
      // The server may close before it has all.
      try? await connection.send(String(repeating: " ", count: 0x400001) + "\r\n0\r\n\r\n")
      let refused = try await connection.read(until: "hint")
      #expect(refused.hasPrefix("HTTP/1.1 413"))
      #expect(refused.contains("4194304"))
    }
  }

  @Test func `one connection serves many requests and a wrong one is refused in our shape`() async throws {
    try await withServer(live: true) { server in
      let connection = try await RawConnection(port: server.client.port ?? 0)
      let get = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
      try await connection.send(get + get)
      let two = try await connection.read(until: "agent-api", times: 2)
      #expect(two.split(separator: "HTTP/1.1 200 OK").count == 2)
      let head = "POST /agent/execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(server.owner)\r\n"
      try await connection.send(head + "Content-Length: 99999999\r\nContent-Type: application/json\r\n\r\n")
      let refused = try await connection.read(until: "hint")
      #expect(refused.hasPrefix("HTTP/1.1 413"))
      #expect(refused.contains("4194304"))
    }
  }
}

extension ServerUnderTest {
  /// Asks for a file and reads no further than its head.
  func openDownload(bytes: Int) async throws -> RawConnection {
    let id = try await store("large", "application/octet-stream", [UInt8](repeating: 1, count: bytes))
    let connection = try await RawConnection(port: client.port ?? 0)
    try await connection.send(
      "GET /agent/artifacts/\(id.text) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(owner)\r\n\r\n")
    _ = try await connection.read(until: "\r\n\r\n")
    return connection
  }

  /// The text of a request for a run's stream.
  func streamRequest(_ run: UUID, after: Int = 0) -> String {
    "GET /agent/logs?run_id=\(run.text)&mode=stream&after=\(after) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(owner)\r\n\r\n"
  }
}
