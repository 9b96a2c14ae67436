import SimplonCore
import SimplonPostgres
import Testing

@Suite struct SessionTests {
  @Test(.timeLimit(.minutes(3))) func `no row of another user is ever seen on shared connections`() async throws {
    try await withClient({ $0.sharedConnections = 4 }) { client in
      try await client.withConnection { try await $0.execute(unsafeSQL: Self.schema) }
      let users = 50
      let requests = 200
      try await withThrowingTaskGroup(of: Int.self) { group in
        for user in 0..<users {
          group.addTask { try await Self.work(of: user, requests: requests, client) }
        }
        let seen = try await group.reduce(0, +)
        #expect(seen > users * requests / 4)  // it did read rows
      }
      let (foreign, all) = try await client.query(
        "select count(*) filter (where owner <> writer), count(*) from notes")[0].decode(Int.self, Int.self)
      #expect(foreign == 0 && all > users)
    }
  }

  private static let schema = """
    create role app_user nologin;
    create table notes (owner text not null, writer text not null, body text);
    alter table notes enable row level security;
    create policy own on notes to app_user
      using (owner = current_setting('request.jwt.claims', true)::json->>'sub')
      with check (owner = current_setting('request.jwt.claims', true)::json->>'sub');
    grant select, insert on notes to app_user;
    insert into notes select 'user' || n, 'user' || n, 'first' from generate_series(0, 49) n;
    """

  /// - Returns: how many rows it read.
  private static func work(of user: Int, requests: Int, _ client: PostgresClient) async throws -> Int {
    let name = "user\(user)"
    let session = PostgresSession(role: "app_user", claims: JSON.object(["sub": .string(name)]).text)
    let other = "user\((user + 1) % 50)"
    var seen = 0
    for request in 0..<requests {
      switch (user * 7 + request) % 8 {
      case 0:  // an error in the middle
        await expect(.databaseQuery) {
          try await client.transaction(["select count(*) from notes", "select 1/0"], as: session)
        }
      case 1:  // another user's row
        await expect(.databasePermission) {
          try await client.query("insert into notes values (\(other), \(name), 'stolen')", as: session)
        }
      case 2:  // a cancel in the middle
        let task = Task { try await client.query("select owner from notes, pg_sleep(0.001)", as: session) }
        try await client.query("select 1")  // by its answer the other is on its way, or done
        task.cancel()
        _ = try? await task.value
      case 3:  // the login itself, between all of them
        let row = try await client.query(
          "select current_user::text, nullif(current_setting('request.jwt.claims', true), '')")
        let (role, claims) = try row[0].decode(String.self, String?.self)
        #expect(role == "postgres" && claims == nil)
      case 4:
        try await client.query("insert into notes values (\(name), \(name), 'more')", as: session)
      default:
        for row in try await client.query("select owner, current_user::text from notes", as: session) {
          let (owner, role) = try row.decode(String.self, String.self)
          #expect(owner == name && role == "app_user")
          seen += 1
        }
      }
    }
    return seen
  }

  @Test(
    .timeLimit(.minutes(1)),
    arguments: [
      PostgresSession(role: "pg_monitor\0"), PostgresSession(role: "pg_monitor", claims: "{\"sub\":\"\0\"}"),
    ])
  func `a session that cannot be set runs nothing, and not as the login`(session: PostgresSession) async throws {
    try await withClient { client in
      await expect(.requestInvalid) { try await client.query("select current_user::text", as: session) }
      await expect(.requestInvalid) {
        try await client.withTransaction(as: session) { _ = try await $0.query("select current_user::text") }
      }
      await expect(.requestInvalid) {
        try await client.withConnection { _ = try await $0.query("select current_user::text", as: session) }
      }
    }
  }

  @Test(.timeLimit(.minutes(1))) func `statements that a borrower prepares or drops do not outlive its use`()
    async throws
  {
    let session = PostgresSession(role: "pg_monitor")
    try await withClient({ $0.exclusiveConnections = 1 }) { client in
      for round in 0..<3 {
        try await client.withConnection { connection in
          let user = try await connection.query("select current_user::text", as: session)[0].decode(String.self)
          #expect(user == "pg_monitor")
          for number in 0..<300 { try await connection.query("select \(unsafeSQL: String(round * 300 + number))") }
          try await connection.execute(unsafeSQL: round == 1 ? "deallocate all" : "prepare mine as select 1")
        }
        try await client.withConnection { connection in
          let user = try await connection.query("select current_user::text", as: session)[0].decode(String.self)
          #expect(user == "pg_monitor")
          let kept = try await connection.query("select count(*) from pg_prepared_statements")[0].decode(Int.self)
          #expect(kept <= 256)
          let mine = try await connection.query("select from pg_prepared_statements where name = 'mine'")
          #expect(mine.isEmpty)
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(1))) func `a role that the login may not become is refused`() async throws {
    try await withClient { client in
      try await client.withConnection {
        try await $0.execute(unsafeSQL: "create role humble login; create role proud nologin")
      }
    }
    let server = try await TestServer.shared.value
    try await withClient({ $0.dsn = server.dsn(user: "humble") }) { client in
      await expect(.databasePermission) { try await client.query("select 1", as: PostgresSession(role: "proud")) }
      let user = try await client.query("select current_user::text")[0].decode(String.self)
      #expect(user == "humble")
    }
  }

  @Test(.timeLimit(.minutes(1))) func `what one borrower of a connection leaves behind the next does not find`()
    async throws
  {
    try await withClient({ $0.exclusiveConnections = 1 }) { client in
      let first = try await client.withConnection { connection in
        try await connection.execute(
          unsafeSQL: """
            create role borrower nologin; set role borrower; set search_path = nowhere; listen gossip;
            """)
        try await connection.query("select pg_advisory_lock(4711)")
        try await connection.query("begin")
        try await connection.query("select 1 as open_transaction")
        return try await connection.query("select pg_backend_pid()")[0].decode(Int.self)
      }
      try await client.withConnection { connection in
        let (pid, role, path, locks) = try await connection.query(
          """
          select pg_backend_pid(), current_user::text, current_setting('search_path'),
            (select count(*) from pg_locks where locktype = 'advisory')
          """)[0].decode(Int.self, String.self, String.self, Int.self)
        #expect(pid == first && role == "postgres" && path.contains("public") && locks == 0)
        let listening = try await connection.query("select from pg_listening_channels()")
        let limit = try await connection.query("show statement_timeout")[0].decode(String.self)
        #expect(listening.isEmpty && limit == "30s")
      }
    }
  }
}
