import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import SimplonCore
import Synchronization
import Testing

@testable import SimplonIdentity

@Suite(.timeLimit(.minutes(1))) struct RemoteKeysTests {
  /// An issuer that publishes keys over HTTP and counts who asks.
  final class Publisher: Sendable {
    let state = Mutex(
      (count: 0, status: HTTPResponse.Status.ok, body: "", gate: AsyncStream<Void>?.none))
    /// An element for each request that came in.
    let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)

    var count: Int { state.withLock(\.count) }

    func publish(_ keys: JSON...) { state.withLock { $0.body = JSON.object(["keys": .array(keys)]).text } }

    func answer(_ status: HTTPResponse.Status, _ body: String = "") {
      state.withLock { ($0.status, $0.body) = (status, body) }
    }

    /// Lets requests hang from now on; until the end of what it gives, they stay unanswered.
    func hang() -> AsyncStream<Void>.Continuation {
      let (gate, opener) = AsyncStream.makeStream(of: Void.self)
      state.withLock { $0.gate = gate }
      return opener
    }

    func serving(_ body: @Sendable (String) async throws -> Void) async throws {
      let router = Router()
      router.get("keys") { _, _ in
        let gate = self.state.withLock { state in
          state.count += 1
          return state.gate
        }
        self.arrival.yield()
        if let gate { for await _ in gate {} }
        let (status, body) = self.state.withLock { ($0.status, $0.body) }
        return Response(
          status: status, headers: [.location: "/elsewhere"], body: .init(byteBuffer: ByteBuffer(string: body)))
      }
      router.get("elsewhere") { _, _ in JSON.object(["keys": [Forge.jwk(Forge.rsa, id: "r1")]]).text }
      try await Application(router: router).test(.live) { client in
        try await body("http://127.0.0.1:\(client.port ?? 0)/keys")
      }
    }
  }

  let clock = TestClock()

  private func keys(_ url: String) -> RemoteKeys { RemoteKeys(url: url, now: clock.now, logger: Logger(label: "test")) }

  private func knows(_ keys: RemoteKeys, _ id: String, _ algorithm: SignedToken.Algorithm) async throws -> Bool {
    try await keys.verifier(id, algorithm) != nil
  }

  @Test func `a rotated key is found by one fetch more`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      #expect(try await knows(keys, "r1", .rs256))
      #expect(try await knows(keys, "r1", .rs256))
      #expect(publisher.count == 1)
      publisher.publish(Forge.jwk(Forge.ec, id: "e1"))
      clock.advance(30)
      #expect(try await knows(keys, "e1", .es256))
      #expect(publisher.count == 2)
      #expect(try await !knows(keys, "r1", .rs256))
    }
  }

  @Test func `unknown keys cause one fetch in half a minute`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      for index in 0..<20 { #expect(try await !knows(keys, "unknown\(index)", .rs256)) }
      #expect(publisher.count == 1)
      clock.advance(30)
      for index in 0..<20 { #expect(try await !knows(keys, "unknown\(index)", .rs256)) }
      #expect(publisher.count == 2)
    }
  }

  @Test func `concurrent callers share one fetch`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<50 { group.addTask { try await knows(keys, "r1", .rs256) } }
        for try await isFound in group { #expect(isFound) }
      }
      #expect(publisher.count == 1)
    }
  }

  @Test func `a fetch that takes long is not begun twice`() async throws {
    let publisher = Publisher()
    let opener = publisher.hang()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask { try await knows(keys, "r1", .rs256) }
        for await _ in publisher.arrivals { break }
        clock.advance(31)
        group.addTask { try await knows(keys, "r1", .rs256) }
        for _ in 0..<1000 { await Task.yield() }
        opener.finish()
        for try await isFound in group { #expect(isFound) }
      }
      #expect(publisher.count == 1)
    }
  }

  @Test func `one who gives up does not end the fetch for the others`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          withUnsafeCurrentTask { $0?.cancel() }
          return try await knows(keys, "r1", .rs256)
        }
        for try await isFound in group { #expect(isFound) }
      }
      #expect(publisher.count == 1)
    }
  }

  @Test func `keys are fetched anew after ten minutes, and nobody waits for that whose key is known`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      #expect(try await knows(keys, "r1", .rs256))
      clock.advance(599)
      #expect(try await knows(keys, "r1", .rs256))
      #expect(publisher.count == 1)
      let opener = publisher.hang()
      clock.advance(1)
      #expect(try await knows(keys, "r1", .rs256))
      // That fetch is still under way: it brings what is published only now.
      publisher.publish(Forge.jwk(Forge.ec, id: "e1"))
      opener.finish()
      #expect(try await knows(keys, "e1", .es256))
      #expect(publisher.count == 2)
      #expect(try await !knows(keys, "r1", .rs256))
    }
  }

  @Test func `keys that nobody asked for in a while are fetched before they are believed`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      #expect(try await knows(keys, "r1", .rs256))
      publisher.publish(Forge.jwk(Forge.ec, id: "e1"))
      clock.advance(660)
      #expect(try await !knows(keys, "r1", .rs256))
      #expect(publisher.count == 2)
    }
  }

  @Test func `while an issuer fails its old keys go on for a day and nobody waits`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let keys = keys(url)
      #expect(try await knows(keys, "r1", .rs256))
      publisher.answer(.internalServerError)
      clock.advance(660)
      #expect(try await knows(keys, "r1", .rs256))
      #expect(publisher.count == 2)
      let opener = publisher.hang()
      clock.advance(30)
      #expect(try await knows(keys, "r1", .rs256))
      // Had it waited, the fetch were over by now.
      publisher.answer(.ok)
      publisher.publish(Forge.jwk(Forge.rsa, id: "r1"), Forge.jwk(Forge.ec, id: "e1"))
      opener.finish()
      #expect(try await knows(keys, "e1", .es256))
      #expect(publisher.count == 3)
      publisher.answer(.internalServerError)
      clock.advance(86_399)
      #expect(try await knows(keys, "r1", .rs256))
      clock.advance(1)
      let error = await #expect(throws: SimplonError.self) { try await keys.verifier("r1", .rs256) }
      #expect(error?.code == .authIssuerUnreachable)
    }
  }

  @Test(arguments: [
    (HTTPResponse.Status.ok, "nonsense"), (.ok, "{}"), (.internalServerError, #"{"keys":[]}"#),
    (.found, #"{"keys":[]}"#), (.ok, #"{"keys":[]}"# + String(repeating: " ", count: 300_000)),
  ])
  func `an answer that is no JWKS leaves the issuer unreachable`(_ status: HTTPResponse.Status, _ body: String)
    async throws
  {
    let publisher = Publisher()
    publisher.answer(status, body)
    try await publisher.serving { url async throws in
      let keys = keys(url)
      for _ in 0..<3 {
        let error = await #expect(throws: SimplonError.self) { try await keys.verifier("r1", .rs256) }
        #expect(error?.code == .authIssuerUnreachable)
        #expect(error?.retry == .after(.seconds(30)))
      }
      #expect(publisher.count == 1)
    }
  }

  @Test func `an issuer that publishes no keys has none`() async throws {
    let publisher = Publisher()
    publisher.publish()
    try await publisher.serving { url async throws in #expect(try await !knows(keys(url), "r1", .rs256)) }
  }

  @Test func `a server that is not there is unreachable`() async throws {
    let error = await #expect(throws: SimplonError.self) {
      try await keys("http://127.0.0.1:9/keys").verifier("r1", .rs256)
    }
    #expect(error?.code == .authIssuerUnreachable)
    #expect(error?.code.status == 503)
  }

  @Test func `a key that was taken back is dead after twelve minutes at most`() async throws {
    let publisher = Publisher()
    publisher.publish(Forge.jwk(Forge.rsa, id: "r1"))
    try await publisher.serving { url async throws in
      let list: JSON = [["issuer": .string(World.foreign), "jwks_url": .string(url)]]
      let issuers = try await Issuer.list(parsing: list.text, now: clock.now, logger: Logger(label: "test"))
      let authenticator = try Authenticator(issuers: issuers, keys: APIKeys(), now: clock.now)
      let claims: JSON = [
        "iss": .string(World.foreign), "sub": "x", "aud": "authenticated", "role": "authenticated",
        "exp": .integer(clock.now() + 3600),
      ]
      let bearer = try await "Bearer " + Forge.token(claims, header: ["kid": "r1"], by: .rsa(Forge.rsa))
      _ = try await authenticator.principal(authorization: bearer, apikey: nil)
      publisher.publish(Forge.jwk(Forge.otherRSA, id: "r2"))
      clock.advance(659)
      _ = try await authenticator.principal(authorization: bearer, apikey: nil)
      clock.advance(59)
      _ = try await authenticator.principal(authorization: bearer, apikey: nil)
      clock.advance(1)
      let error = await #expect(throws: SimplonError.self) {
        try await authenticator.principal(authorization: bearer, apikey: nil)
      }
      #expect(error?.code == .authInvalid)
    }
  }
}
