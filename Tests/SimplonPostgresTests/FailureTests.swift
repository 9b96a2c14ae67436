import Glibc
import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(3)), .serialized) struct FailureTests {
  @Test func `a server that is killed and comes back`() async throws {
    let server = try await TestServer(settings: ["synchronous_commit=on"])
    try await withClient(on: server, { $0.acquireTimeout = .seconds(30) }) { client in
      try await client.query("create table survivors (n int)")
      try await client.query("create table written (n int)")
      let write = Task { try await client.query("insert into written select 1 from pg_sleep(60)") }
      let held = Task {
        try await client.withTransaction { connection in
          try await connection.query("lock table survivors")
          try await connection.query("select pg_sleep(60) as held")
        }
      }
      try await waitUntilRunning("as held", on: server)
      try await waitUntilRunning("insert into written", on: server)
      let read = Task { try await client.query("select n from survivors") }
      try await waitUntilRunning("select n from", on: server)
      try server.crash()
      await expect(.databaseOutcomeUnknown) { _ = try await write.value }
      await expect(.databaseUnavailable) { _ = try await read.value }
      await expect(.databaseUnavailable) { _ = try await held.value }
      let waiting = Task { try await client.query("select from survivors").count }
      try server.start()
      let count = try await waiting.value
      #expect(count == 0)
    }
  }

  @Test func `what the server never had goes to its next connection`() async throws {
    let server = try await TestServer()
    let bytes = [UInt8](repeating: 7, count: 300_000)
    try await withClient(
      on: server,
      {
        $0.sharedConnections = 1
        $0.acquireTimeout = .seconds(30)
      }
    ) { client in
      try await client.query("select 1")
      try server.signal(SIGSTOP)
      try await withThrowingTaskGroup(of: SimplonError.Code?.self) { group in
        for _ in 0..<64 {
          group.addTask { await code { try await client.query("select length(\(bytes))") } }
        }
        // The first to fail was on its way; then the others cannot be, as the socket had no room for them.
        try server.crash()
        try server.start()
        let codes = try await group.reduce(into: []) { $0.append($1) }
        #expect(codes.contains(.databaseOutcomeUnknown) && codes.contains(nil))
        #expect(codes.allSatisfy { $0 == .databaseOutcomeUnknown || $0 == nil })
      }
    }
  }

  @Test func `a server that is paused is given up after its time`() async throws {
    let server = try await TestServer()
    try await withClient(
      on: server,
      {
        $0.statementTimeout = .milliseconds(300)
        $0.connectTimeout = .seconds(2)
        $0.acquireTimeout = .seconds(4)
      }
    ) { client in
      try await client.query("create table paused (n int)")
      try server.signal(SIGSTOP)
      async let write = code { try await client.query("insert into paused values (1)") }
      async let read = code { try await client.query("select n from paused") }
      async let late = code {
        // Connections are made anew meanwhile, in vain.
        try await Task.sleep(for: .seconds(6))
        try await client.query("select n from paused")
      }
      #expect(await write == .databaseOutcomeUnknown)
      #expect(await read == .databaseUnavailable)
      #expect(await late == .databaseUnavailable)
      try server.signal(SIGCONT)
      while await code({ try await client.query("select 1") }) != nil {}
    }
  }

  @Test(arguments: [true, false]) func `a commit whose connection broke is unknown although it happened`(
    isImplicit: Bool
  ) async throws {
    let table = "committed_\(isImplicit)"
    try await withClient { client in
      try await client.query("create table \(unsafeSQL: table) (n int)")
      let proxy = try Proxy(
        to: try await TestServer.shared.value, cut: .answerTo(isImplicit ? "'commit'" : "\0commit\0"))
      defer { proxy.close() }
      try await withClient({ $0.dsn = proxy.dsn }) { client in
        await expect(.databaseOutcomeUnknown) {
          let insert: PostgresQuery = "insert into \(unsafeSQL: table) values (1)"
          if isImplicit {
            try await client.transaction([insert, "select 'commit'"])
          } else {
            try await client.withTransaction { _ = try await $0.query(insert) }
          }
        }
      }
      #expect(try await client.query("select from \(unsafeSQL: table)").count == 1)
    }
  }

  @Test(arguments: [true, false]) func `a connection cut anywhere never lies about what it did`(fromServer: Bool)
    async throws
  {
    let server = try await TestServer.shared.value
    let table = "cut_\(fromServer)"
    try await withClient { _ = try await $0.query("create table \(unsafeSQL: table) (n int)") }
    @Sendable func attempt(_ n: Int, through proxy: Proxy) async throws -> SimplonError.Code? {
      try await withClient({
        $0.dsn = proxy.dsn
        $0.sharedConnections = 1
        $0.acquireTimeout = .seconds(5)
      }) { client in
        await code {
          try await client.transaction(
            ["insert into \(unsafeSQL: table) values (\(Int32(n)))", "select repeat('x', 500)"],
            as: PostgresSession(claims: "{}"))
        }
      }
    }
    let whole = try Proxy(to: server)
    #expect(try await attempt(-1, through: whole) == nil)
    let all = (fromServer ? whole.serverBytes : whole.clientBytes).value
    whole.close()
    var codes = [SimplonError.Code?: Int]()
    for n in stride(from: 0, to: all, by: max(1, all / 60)) {
      let proxy = try Proxy(to: server, cut: fromServer ? .serverBytes(n) : .clientBytes(n))
      let code = try await attempt(n, through: proxy)
      proxy.close()
      codes[code, default: 0] += 1
      let count = try await withClient { client in
        // The server may still be at it: it must have seen the end of the connection first.
        while try await client.query(
          "select from pg_stat_activity where strpos(query, \(table)) > 0 and pid <> pg_backend_pid()"
        ).count > 0 {}
        return try await client.query("select from \(unsafeSQL: table) where n = \(Int32(n))").count
      }
      switch code {
      case nil: #expect(count == 1, "cut after \(n) bytes")
      case .databaseUnavailable: #expect(count == 0, "cut after \(n) bytes")
      default: #expect(code == .databaseOutcomeUnknown, "cut after \(n) bytes")
      }
    }
    #expect(codes[.databaseOutcomeUnknown, default: 0] > 0 && codes[nil, default: 0] > 0)
  }

  @Test func `a transaction that broke before its commit was sent has not happened`() async throws {
    try await withClient { client in
      try await client.query("create table broken (n int)")
      await expect(.databaseUnavailable) {
        try await client.withTransaction { connection in
          let pid = try await connection.query("insert into broken values (1) returning pg_backend_pid()")[0].decode(
            Int.self)
          try await client.query("select pg_terminate_backend(\(pid)::int, 5000)")
          try await connection.query("insert into broken values (2)")
        }
      }
      #expect(try await client.query("select from broken").isEmpty)
    }
  }
}

/// The code of what the body throws.
private func code(_ body: () async throws -> some Sendable) async -> SimplonError.Code? {
  do {
    _ = try await body()
    return nil
  } catch {
    return (error as? SimplonError)?.code ?? .serverInternal
  }
}
