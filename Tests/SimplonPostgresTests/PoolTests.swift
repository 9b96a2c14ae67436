import Logging
import ServiceLifecycle
import SimplonCore
import Testing

@testable import SimplonPostgres

@Suite(.timeLimit(.minutes(1))) struct PoolTests {
  @Test func `who waits too long for a connection is told that all are busy`() async throws {
    try await withClient({
      $0.exclusiveConnections = 2
      $0.acquireTimeout = .seconds(5)
    }) { client in
      try await client.withConnection { _ in
        try await client.withConnection { _ in
          _ = await expect(.databaseBusy) { try await client.withConnection { _ in } }
        }
        try await client.withConnection { _ = try await $0.query("select 1") }
      }
    }
  }

  @Test func `a cancelled waiter leaves the queue`() async throws {
    try await withClient({ $0.exclusiveConnections = 1 }) { client in
      try await client.withConnection { _ in
        let waiter = Task { try await client.withConnection { _ in } }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
      }
      try await client.withConnection { _ = try await $0.query("select 1") }
    }
  }

  @Test func `a connection that was silent for half a minute is asked whether it lives`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      try await client.query("select 1")
      let now = ContinuousClock.now
      #expect(await !client.pool.isAsking(at: now + .seconds(29)))
      #expect(await client.pool.isAsking(at: now + .seconds(31)))
    }
  }

  @Test func `no connection is used for ever`() async throws {
    try await withClient({
      $0.sharedConnections = 1
      $0.maximumLifetime = .seconds(2)
    }) { client in
      func shared() async throws -> Int { try await client.query("select pg_backend_pid()")[0].decode(Int.self) }
      func exclusive() async throws -> Int {
        try await client.withConnection { try await $0.query("select pg_backend_pid()")[0].decode(Int.self) }
      }
      let first = (shared: try await shared(), exclusive: try await exclusive())
      while try await shared() == first.shared {}
      while try await exclusive() == first.exclusive {}
    }
  }

  @Test func `a lost connection is made anew`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      let pid = try await client.query("select pg_backend_pid()")[0].decode(Int.self)
      try await client.withConnection { _ = try await $0.query("select pg_terminate_backend(\(pid)::int, 5000)") }
      var other = pid
      while other == pid {
        do {
          other = try await client.query("select pg_backend_pid()")[0].decode(Int.self)
        } catch let error as SimplonError {
          // It may be sent before the loss is seen: then nobody knows, as a function could write.
          #expect([.databaseUnavailable, .databaseOutcomeUnknown].contains(error.code))
        }
      }
    }
  }

  @Test func `a server that is not there is an error with a cause`() async throws {
    try await withClient({
      $0.dsn = "host=/nowhere"
      $0.acquireTimeout = .seconds(5)
    }) { client in
      let error = await expect(.databaseUnavailable) { try await client.query("select 1") }
      #expect(error?.retry == .backoff)
      #expect(error.map { String(reflecting: $0).contains("/nowhere") } == true)
      #expect(error?.description.contains("/nowhere") == false)
      await expect(.databaseUnavailable) { try await client.withConnection { _ in } }
    }
  }

  @Test func `a client that nobody runs says so`() async throws {
    var configuration = PostgresConfiguration(dsn: try await TestServer.shared.value.dsn())
    configuration.acquireTimeout = .milliseconds(100)
    let client = PostgresClient(configuration: configuration, logger: quiet)
    let error = await expect(.databaseUnavailable) { try await client.query("select 1") }
    #expect(error?.hint?.contains("run()") == true)
  }

  @Test func `a graceful shutdown lets work finish and takes no more`() async throws {
    let server = try await TestServer.shared.value
    let client = PostgresClient(configuration: .init(dsn: server.dsn()), logger: quiet)
    let services = ServiceGroup(services: [client], logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await services.run() }
      let slow = Task {
        try await client.query("select 7, pg_sleep(3) is null as shutdown")[0].decode(Int.self, Bool.self)
      }
      try await waitUntilRunning("as shutdown", on: server)
      await services.triggerGracefulShutdown()
      let (seven, _) = try await slow.value
      #expect(seven == 7)
      try await group.waitForAll()
    }
    await expect(.databaseUnavailable) { try await client.query("select 1") }
    await expect(.databaseUnavailable) { try await client.withConnection { _ in } }
  }

  @Test func `a connection is of no use after it was given back`() async throws {
    try await withClient { client in
      let kept = try await client.withConnection { $0 }
      await expect(.databaseQuery) { try await kept.query("select 1") }
    }
  }
}

extension Pool {
  /// Looks after its connections as it does at that time; says whether one is asked for something then.
  fileprivate func isAsking(at time: ContinuousClock.Instant) -> Bool {
    tick(time)
    return channels.values.contains { !$0.isQuiet }
  }
}
