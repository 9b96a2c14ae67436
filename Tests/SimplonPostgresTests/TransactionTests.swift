import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1))) struct TransactionTests {
  @Test func `a transaction is kept when the body returns and undone when it throws`() async throws {
    try await withClient { client in
      try await client.query("create table kept (n int)")
      try await client.withTransaction { _ = try await $0.query("insert into kept values (1)") }
      await #expect(throws: Oops.self) {
        try await client.withTransaction { connection in
          try await connection.query("insert into kept values (2)")
          throw Oops()
        }
      }
      let rows = try await client.query("select n from kept")
      #expect(try rows.map { try $0.decode(Int.self) } == [1])
    }
  }

  private struct Oops: Error {}

  @Test(arguments: [PostgresIsolation.readCommitted, .repeatableRead, .serializable], [false, true])
  func `a transaction has the isolation and the session it was asked for`(
    isolation: PostgresIsolation, behindPooler: Bool
  ) async throws {
    try await withClient({ $0.pooler = behindPooler }) { client in
      let session = PostgresSession(role: "pg_monitor", claims: "{}", statementTimeout: .seconds(7))
      let row = try await client.withTransaction(isolation: isolation, as: session) { connection in
        try await connection.query("select 1")
        return try await connection.query(
          """
          select current_setting('transaction_isolation'), current_user::text,
            current_setting('request.jwt.claims'), current_setting('statement_timeout')
          """)[0]
      }
      let (level, role, claims, limit) = try row.decode(String.self, String.self, String.self, String.self)
      #expect(level == isolation.rawValue && role == "pg_monitor" && claims == "{}" && limit == "7s")
    }
  }

  @Test func `a swallowed error is not taken for a commit`() async throws {
    try await withClient { client in
      await expect(.databaseQuery) {
        try await client.withTransaction { connection in _ = try? await connection.query("select 1/0") }
      }
    }
  }

  @Test func `a write skew is repeated until it is serial`() async throws {
    try await withClient { client in
      try await client.query("create table skew (who int)")
      let bodies = Counter()
      let both = Barrier(2)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for who in 0..<2 {
          group.addTask {
            try await client.withTransaction(isolation: .serializable) { connection in
              let run = bodies.add()
              let count = try await connection.query("select count(*) from skew")[0].decode(Int.self)
              if run <= 2 { await both.arrive() }
              if count == 0 { try await connection.query("insert into skew values (\(who))") }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await client.query("select from skew").count == 1)
      #expect(bodies.value == 3)
    }
  }

  @Test func `a deadlock is repeated`() async throws {
    try await withClient { client in
      try await client.withConnection {
        try await $0.execute(unsafeSQL: "create table locks (n int); insert into locks values (0), (1)")
      }
      let bodies = Counter()
      let both = Barrier(2)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for first in 0..<2 {
          group.addTask {
            try await client.withTransaction { connection in
              let run = bodies.add()
              try await connection.query("select from locks where n = \(first) for update")
              if run <= 2 { await both.arrive() }
              try await connection.query("select from locks where n = \(1 - first) for update")
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(bodies.value == 3)
    }
  }

  @Test func `repeats have an end`() async throws {
    try await withClient { client in
      let bodies = Counter()
      let error = await expect(.databaseConflict) {
        try await client.withTransaction(retries: 2) { connection in
          bodies.add()
          try await connection.execute(unsafeSQL: "do $$ begin raise sqlstate '40001'; end $$")
        }
      }
      #expect(bodies.value == 3)
      #expect(error?.retry == .backoff)
    }
  }

  @Test func `a cancelled statement is stopped on the server and its transaction undone`() async throws {
    let server = try await TestServer.shared.value
    try await withClient({ $0.exclusiveConnections = 1 }) { client in
      try await client.query("create table halfway (n int)")
      let task = Task {
        try await client.withTransaction(as: PostgresSession(statementTimeout: .zero)) { connection in
          try await connection.query("insert into halfway values (1)")
          try await connection.query("select pg_sleep(600) as halfway")
        }
      }
      try await waitUntilRunning("as halfway", on: server)
      task.cancel()
      await #expect(throws: CancellationError.self) { _ = try await task.value }
      let active: PostgresQuery =
        "select from pg_stat_activity where state = 'active' and strpos(query, 'as halfway') > 0 and pid <> pg_backend_pid()"
      while try await !client.query(active).isEmpty {}
      #expect(try await client.query("select from halfway").isEmpty)
      try await client.withConnection { _ = try await $0.query("select 1") }
    }
  }

  @Test func `a statement whose preparation was skipped is prepared when it is needed`() async throws {
    try await withClient { client in
      try await client.withConnection { connection in
        await expect(.databaseQuery) { try await connection.transaction(["select 1/0", "select 4711"]) }
        try await connection.query("begin")
        let value = try await connection.query("select 4711")[0].decode(Int.self)
        #expect(value == 4711)
      }
    }
  }

  @Test func `a script is one transaction and stands between other statements`() async throws {
    try await withClient { client in
      try await client.withConnection { connection in
        await expect(.databaseQuery) {
          try await connection.execute(unsafeSQL: "create table scripted (n int); insert into scripted values (1/0)")
        }
        async let before = connection.query("select 1")
        async let script: Void = connection.execute(
          unsafeSQL: "create table scripted (n int); insert into scripted values (1)")
        async let after = connection.query("select 2")
        #expect(try await before[0].decode(Int.self) == 1)
        try await script
        #expect(try await after[0].decode(Int.self) == 2)
        #expect(try await connection.query("select from scripted").count == 1)
      }
    }
  }
}
