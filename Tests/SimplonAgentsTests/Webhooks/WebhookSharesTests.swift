import FoundationEssentials
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

/// What deliveries of different webhooks, users and runs do to each other.
extension WebhookTests {
  @Test func `two deliveries that get 410 at once are both given up, and neither waits for the other`() async throws {
    try await Engine.with { engine in
      try await save(engine, "https://a.example/")
      for _ in 0..<2 { try await stopped(engine) }
      let taken = try await engine.database.execute("select id from simplon.take_deliveries(2)").compactMap { text in
        text.flatMap(UUID.init(uuidString:))
      }
      #expect(taken.count == 2)
      try await withThrowingTaskGroup(of: Void.self) { group in
        try await engine.admin.withTransaction(retries: 0) { connection in
          try await connection.query("select from agent_webhooks for update")
          for delivery in taken {
            group.addTask {
              _ = try await engine.client.query("select simplon.settle_delivery(\(delivery), 1, 410, null)")
            }
          }
          try await engine.waitUntilBlocked(2)
        }
        try await group.waitForAll()
      }
      #expect(try await engine.database.execute("select enabled || ' ' || failures from agent_webhooks") == ["false 1"])
      let statuses = try await engine.database.execute("select status from agent_webhook_deliveries")
      #expect(statuses == ["failed", "failed"])
    }
  }

  @Test func `of one user at most four are under way, and the others have their turn`() async throws {
    try await Engine.with { engine in
      try await save(engine, "https://a.example/")
      try await save(engine, "https://b.example/", as: Engine.bob)
      for _ in 0..<6 { try await stopped(engine) }
      try await stopped(engine, as: Engine.bob)
      func take(_ busy: [UUID] = []) async throws -> [UUID] {
        try await engine.client.query("select owner from simplon.take_deliveries(5, \(busy)) order by owner").map {
          try $0.decode(UUID.self)
        }
      }
      let alice = try #require(Engine.alice.subject)
      let bob = try #require(Engine.bob.subject)
      #expect(try await take() == Array(repeating: alice, count: 4) + [bob])
      #expect(try await take(Array(repeating: alice, count: 4)) == [])
      #expect(try await take(Array(repeating: alice, count: 3)) == [alice])
      try await engine.database.execute("update agent_webhooks set enabled = false")
      #expect(try await take() == [])
    }
  }

  @Test func `one receiver that does not answer keeps no other delivery waiting`() async throws {
    try await Engine.with { engine in
      // The first leaves its client waiting.
      let (slow, fast) = (CannedServer([""]), CannedServer([CannedServer.answer("200 OK")]))
      try await save(engine, slow.url())
      try await save(engine, fast.url(), as: Engine.bob)
      try await stopped(engine)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await deliver(engine) }
        while slow.requests.withLock({ $0.isEmpty }) { await Task.yield() }
        try await stopped(engine, as: Engine.bob)
        let query = "select count(*) from agent_webhook_deliveries where status = 'delivered'"
        while try await engine.database.execute(query) == ["0"] { await Task.yield() }
        let waiting = try await engine.database.execute(
          "select error from agent_webhook_deliveries where status = 'pending'")
        #expect(waiting == [nil], "it is still under way")
        group.cancelAll()
      }
    }
  }

  @Test func `what is saved at the same time passes no limit either`() async throws {
    try await Engine.with { engine in
      for _ in 0..<9 { try await save(engine, "https://a.example/") }
      let last: JSON = ["url": "https://b.example/", "events": ["run.failed"]]
      try await withThrowingTaskGroup(of: Void.self) { group in
        try await engine.admin.withTransaction(retries: 0) { connection in
          let claims = Engine.alice.claimsText
          try await connection.query("select set_config('request.jwt.claims', \(claims), true)")
          try await connection.query("select simplon.save_webhook(\(last), 'x')")
          group.addTask { await expectError(.requestQuota) { _ = try await save(engine, "https://c.example/") } }
          try await engine.waitUntilBlocked(1)
        }
        try await group.waitForAll()
      }
      #expect(try await engine.database.execute("select count(*) from agent_webhooks") == ["10"])
    }
  }

  @Test func `a webhook that is being deleted is in no run's way`() async throws {
    try await Engine.with { engine in
      let webhook = try await save(engine, "https://a.example/").id
      let run = try await engine.create([["id": "a", "tool": "noop"]], start: false)
      try await engine.admin.withTransaction(retries: 0) { connection in
        try await connection.query("delete from agent_webhooks where id = \(webhook)")
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      }
      #expect(try await engine.status(run)["status"] == "cancelled")
      #expect(try await engine.database.execute("select count(*) from agent_webhook_deliveries") == ["0"])
    }
  }

  @Test func `old deliveries are forgotten, so many at a time, whatever else of the upkeep fails`() async throws {
    try await Engine.with { engine in
      try await save(engine, "https://a.example/")
      for _ in 0..<4 { try await stopped(engine) }
      try await engine.database.execute(
        """
        update agent_webhook_deliveries set status = 'failed', created_at = now() - interval '31 days'
        where id <> (select max(id::text)::uuid from agent_webhook_deliveries)
        """)
      #expect(try await engine.database.execute("select simplon.sweep_deliveries(2)") == ["2"])
      try await engine.database.execute("alter function simplon.sweep() rename to other")
      await expectError(.databaseQuery) { try await engine.upkeep().run() }
      #expect(try await engine.database.execute("select status from agent_webhook_deliveries") == ["pending"])
    }
  }
}
