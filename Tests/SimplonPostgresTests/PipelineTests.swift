import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1))) struct PipelineTests {
  @Test(arguments: [1, 4]) func `the error of one caller touches no other`(connections: Int) async throws {
    try await withClient({ $0.sharedConnections = connections }) { client in
      try await client.query("create table pipelined\(unsafeSQL: String(connections)) (caller int, n int)")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<64 {
          group.addTask {
            for n in 0..<50 {
              if (caller + n) % 3 == 0 {
                await expect(.databaseQuery) {
                  try await client.transaction([
                    "insert into pipelined\(unsafeSQL: String(connections)) values (-1, -1)", "select 1 / \(n - n)",
                  ])
                }
              } else {
                let rows = try await client.query(
                  """
                  insert into pipelined\(unsafeSQL: String(connections)) values (\(Int32(caller)), \(Int32(n)))
                  returning caller, n
                  """)
                let (who, what) = try rows[0].decode(Int.self, Int.self)
                #expect(who == caller && what == n)
              }
            }
          }
        }
        try await group.waitForAll()
      }
      let rows = try await client.query(
        "select count(*), count(*) filter (where n < 0) from pipelined\(unsafeSQL: String(connections))")
      let (all, wrong) = try rows[0].decode(Int.self, Int.self)
      #expect(all == (0..<64).reduce(0) { sum, caller in sum + (0..<50).count { (caller + $0) % 3 != 0 } })
      #expect(wrong == 0)
    }
  }

  @Test func `a statement that cannot be prepared fails its own callers only`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<64 {
          group.addTask {
            // The statement is first sent behind an error, so that its Parse is skipped while others rely on it.
            if caller % 4 == 0 {
              await expect(.databaseQuery) {
                try await client.transaction(["select 1/0", "select \(caller) + 1000"])
              }
            } else if caller % 4 == 1 {
              await expect(.databaseQuery) { try await client.query("select \(caller) from nowhere") }
            } else {
              let value = try await client.query("select \(caller) + 1000")[0].decode(Int.self)
              #expect(value == caller + 1000)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `a cancelled caller is released at once and its neighbours are not harmed`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      let answers = Counter()
      try await withThrowingTaskGroup(of: Void.self) { group in
        let sleeper = Task { try await client.query("select pg_sleep(3)") }
        try await waitUntilRunning("pg_sleep(3)", on: TestServer.shared.value)
        group.addTask {
          let answer = try await client.query("select 42")[0].decode(Int.self)
          answers.add()
          #expect(answer == 42)
        }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        #expect(answers.value == 0)
        try await group.waitForAll()
      }
    }
  }

  @Test func `a slow statement holds up nobody who comes later`() async throws {
    try await withClient({ $0.sharedConnections = 2 }) { client in
      let slow = Task {
        try await client.query("select pg_sleep(600) as slow", as: PostgresSession(statementTimeout: .zero))
      }
      try await waitUntilRunning("as slow", on: TestServer.shared.value)
      try await Task.sleep(for: .milliseconds(50))  // from then on its connection stands still
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<64 { group.addTask { try await client.query("select 1") } }
        try await group.waitForAll()
      }
      slow.cancel()
    }
  }

  @Test func `a caller that is cancelled before it begins sends nothing`() async throws {
    try await withClient { client in
      try await client.query("create table untouched ()")
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await client.query("drop table untouched")
      }
      await #expect(throws: CancellationError.self) { try await task.value }
      try await client.query("select from untouched")
    }
  }

  @Test func `a time limit stops a statement and nothing else`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      async let other = client.query("select 1")[0].decode(Int.self)
      await expect(.databaseTimeout) {
        try await client.query("select pg_sleep(20)", as: PostgresSession(statementTimeout: .milliseconds(100)))
      }
      let setting = try await client.query("show statement_timeout")
      #expect(try setting[0].decode(String.self) == "30s")
      #expect(try await other == 1)
    }
  }

  @Test func `the configured time limit holds where no session says otherwise`() async throws {
    try await withClient({ $0.statementTimeout = .milliseconds(100) }) { client in
      await expect(.databaseTimeout) { try await client.query("select pg_sleep(20)") }
      try await client.query("select pg_sleep(0.3)", as: PostgresSession(statementTimeout: .zero))
      await expect(.databaseTimeout) {
        _ = try await client.withTransaction { try await $0.query("select pg_sleep(20)") }
      }
    }
  }

  @Test func `a transaction may run as long as its session lets it`() async throws {
    try await withClient({ $0.statementTimeout = .milliseconds(100) }) { client in
      let session = PostgresSession(statementTimeout: .zero)
      // Longer than the configured limit and the time after which a silent server is given up.
      _ = try await client.withTransaction(as: session) { try await $0.query("select pg_sleep(5.5)") }
    }
  }
}
