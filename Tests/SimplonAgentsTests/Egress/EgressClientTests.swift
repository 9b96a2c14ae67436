import FoundationEssentials
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct EgressClientTests {
  /// Names that a test gives to addresses, and how often each was asked for.
  private final class Names: Sendable {
    let asked = Mutex([String]())
    private let addresses: [String: [String]]

    init(_ addresses: [String: [String]]) { self.addresses = addresses }

    @Sendable func resolve(_ host: String, _ owner: UUID?) async throws -> [NetworkAddress] {
      let times = asked.withLock { asked in
        asked.append(host)
        return asked.count { $0 == host }
      }
      // A name that changes its mind: the n-th question gets the n-th address.
      let all = addresses[host] ?? []
      return all.dropFirst(max(0, min(times, all.count) - 1)).prefix(1).compactMap { NetworkAddress($0) }
    }
  }

  private func client(_ names: Names, allow: [String] = ["*"], inside: Bool = true, port: Int? = nil) throws
    -> EgressClient
  {
    let patterns = port.map { port in allow.map { "\($0):\(port)" } } ?? allow
    return EgressClient(rules: try EgressRules(patterns, allowsPrivate: inside), resolver: names.resolve)
  }

  private func request(_ url: String, _ method: String = "GET", limit: Int = 1000) throws -> EgressRequest {
    EgressRequest(method: method, url: try EgressURL(url), limit: limit)
  }

  private let home = ["127.0.0.1"]

  @Test func `the connection goes to the address that was checked, under the name that was asked for`() async throws {
    let server = CannedServer([CannedServer.answer("200 OK", body: "hello")])
    // Asked a second time, the name would be somewhere else.
    let names = Names(["api.test": ["127.0.0.1", "169.254.169.254"]])
    let client = try client(names, port: server.port)
    let response = try await client.send(request(server.url("api.test")), within: .seconds(10), EgressCount())
    #expect(response.status == 200 && response.body == Array("hello".utf8))
    #expect(names.asked.withLock { $0 } == ["api.test"])
    let asked = try #require(server.requests.withLock { $0.first })
    #expect(asked.lowercased().contains("host: api.test:\(server.port)\r\n"))
    #expect(asked.lowercased().contains("accept-encoding: identity\r\n"))
  }

  @Test(arguments: ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
  func `a name that leads inside is refused, and nobody is called`(_ address: String) async throws {
    let server = CannedServer([CannedServer.answer("200 OK")])
    let client = try client(Names(["api.test": [address]]), inside: false, port: server.port)
    let count = EgressCount()
    let error = await #expect(throws: SimplonError.self) {
      try await client.send(request(server.url("api.test")), within: .seconds(10), count)
    }
    #expect(error?.code == .toolEgress && count.value == 0)
    #expect(error?.message.contains(address) == false)
    #expect(server.requests.withLock { $0 }.isEmpty)
  }

  @Test func `a redirect is checked like a request, its name and its address`() async throws {
    for location in [
      "http://other.test/", "http://metadata.test:80/latest/", "http://169.254.169.254/latest/meta-data/",
      "ftp://api.test/", "file:///etc/passwd", "http://user:pass@api.test/",
    ] {
      let server = CannedServer([CannedServer.answer("302 Found", "Location: \(location)")])
      let names = Names(["api.test": home, "metadata.test": ["169.254.169.254"], "other.test": home])
      let client = EgressClient(
        rules: try EgressRules(["api.test:\(server.port)", "metadata.test", "169.254.169.254"], allowsPrivate: true),
        resolver: names.resolve)
      let error = await #expect(throws: SimplonError.self, "\(location)") {
        try await client.send(request(server.url("api.test")), within: .seconds(10), EgressCount())
      }
      #expect(error?.code == .toolEgress, "\(location)")
    }
  }

  @Test(arguments: [
    ("301 Moved Permanently", "POST", "GET"), ("302 Found", "POST", "GET"), ("303 See Other", "POST", "GET"),
    ("303 See Other", "PUT", "GET"), ("303 See Other", "HEAD", "HEAD"), ("301 Moved Permanently", "PUT", "PUT"),
    ("307 Temporary Redirect", "POST", "POST"), ("308 Permanent Redirect", "POST", "POST"),
    ("302 Found", "GET", "GET"),
  ])
  func `a redirect keeps or changes the method as the standard says`(_ status: String, _ method: String, _ then: String)
    async throws
  {
    let server = CannedServer([
      CannedServer.answer(status, "Location: ../b?c"), CannedServer.answer("200 OK", "Content-Length: 0"),
    ])
    let client = try client(Names(["api.test": home]), port: server.port)
    var request = try request(server.url("api.test", "/a/x"), method)
    if method == "POST" || method == "PUT" {
      request.body = Array("sent".utf8)
      request.headers = [("Content-Type", "text/plain"), ("Authorization", "Bearer mine")]
    }
    _ = try await client.send(request, within: .seconds(10), EgressCount())
    let asked = server.requests.withLock { $0 }
    try #require(asked.count == 2)
    #expect(asked[1].hasPrefix("\(then) /b?c HTTP/1.1\r\n"))
    #expect(asked[1].contains("sent") == (then == "POST" || then == "PUT"))
    #expect(asked[1].contains("text/plain") == (then == "POST" || then == "PUT"))
    #expect(asked[1].contains("Bearer mine") == asked[0].contains("Bearer mine"), "the origin is the same")
  }

  @Test func `no credentials go to another origin, a connector's neither`() async throws {
    let second = CannedServer([CannedServer.answer("200 OK")])
    let first = CannedServer([CannedServer.answer("307 Temporary Redirect", "Location: \(second.url("b.test"))")])
    let client = EgressClient(
      rules: try EgressRules(["b.test:\(second.port)"], allowsPrivate: false),
      resolver: Names(["a.test": home, "b.test": ["127.0.0.1"]]).resolve)
    let connector = HTTPConnector(
      baseURL: try EgressURL(first.url("a.test")), headers: [("x-api-key", "connectors-secret")], methods: ["GET"],
      allowsPrivate: true)
    var request = try request(first.url("a.test"))
    request.connector = connector
    request.headers = [("Authorization", "callers-secret"), ("X-Token", "callers-token"), ("Accept", "text/plain")]
    let inside = request
    let error = await #expect(throws: SimplonError.self) {
      try await client.send(inside, within: .seconds(10), EgressCount())
    }
    #expect(error?.code == .toolEgress, "only the connector's own host may be inside")
    let open = try self.client(Names(["a.test": home, "b.test": home]), port: second.port)
    let again = CannedServer([CannedServer.answer("307 Temporary Redirect", "Location: \(second.url("b.test"))")])
    request.url = try EgressURL(again.url("a.test"))
    request.connector = HTTPConnector(
      baseURL: request.url, headers: connector.headers, methods: ["GET"], allowsPrivate: true)
    _ = try await open.send(request, within: .seconds(10), EgressCount())
    let asked = try #require(again.requests.withLock { $0.first })
    #expect(asked.contains("connectors-secret") && asked.contains("callers-secret"))
    let redirected = try #require(second.requests.withLock { $0.last })
    #expect(!redirected.contains("secret") && !redirected.contains("callers-token"))
    #expect(redirected.contains("text/plain"))
  }

  @Test func `the sixth redirect is one too many`() async throws {
    let hop = CannedServer.answer("302 Found", "Location: /")
    for (count, isFine) in [(5, true), (6, false)] {
      let server = CannedServer(Array(repeating: hop, count: count) + [CannedServer.answer("200 OK")])
      let client = try client(Names(["api.test": home]), port: server.port)
      let work = { try await client.send(request(server.url("api.test")), within: .seconds(10), EgressCount()) }
      if isFine {
        #expect(try await work().status == 200)
      } else {
        let error = await #expect(throws: SimplonError.self) { try await work() }
        #expect(error?.code == .toolFailed)
      }
    }
  }

  @Test func `only the beginning of a long body is read`() async throws {
    let server = CannedServer([CannedServer.answer("200 OK", body: String(repeating: "x", count: 100_000))])
    let client = try client(Names(["api.test": home]), port: server.port)
    let response = try await client.send(
      request(server.url("api.test"), limit: 77), within: .seconds(10), EgressCount())
    #expect(response.body.count == 77)
  }

  @Test func `a silent server costs no more than the time limit, and is known to have been reached`() async throws {
    let server = CannedServer([""])
    let client = try client(Names(["api.test": home]), port: server.port)
    let count = EgressCount()
    let error = await #expect(throws: SimplonError.self) {
      try await client.send(request(server.url("api.test")), within: .milliseconds(200), count)
    }
    #expect(error?.code == .toolTimeout && count.value == 1)
  }

  @Test func `a server that is not there, and one that breaks off, fail the call`() async throws {
    let count = EgressCount()
    // Nothing listens on the port of the discard service.
    let client = try client(Names(["api.test": home]), port: 9)
    var error = await #expect(throws: SimplonError.self) {
      try await client.send(request("http://api.test:9/"), within: .seconds(10), count)
    }
    #expect(error?.code == .toolFailed && count.value == 0)
    let rude = CannedServer(["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
    error = await #expect(throws: SimplonError.self) {
      try await self.client(Names(["api.test": home]), port: rude.port)
        .send(request(rude.url("api.test")), within: .seconds(10), count)
    }
    #expect(error?.code == .toolFailed && count.value == 1)
  }

  @Test func `a stopped call ends as stopped`() async throws {
    let server = CannedServer([""])
    let client = try client(Names(["api.test": home]), port: server.port)
    let count = EgressCount()
    let call = Task {
      try await client.send(request(server.url("api.test")), within: .seconds(60), count)
    }
    #expect(await eventually { count.value == 1 })
    call.cancel()
    await #expect(throws: CancellationError.self) { try await call.value }
  }
}
