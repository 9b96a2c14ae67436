import SimplonCore
import SimplonPostgres
import Testing

/// Debian's PgBouncer in transaction mode, with two server connections for everybody.
private final class Pooler: Sendable {
  let dsn: String
  private let shell: Shell

  init(to server: TestServer) throws {
    let folder = try TestServer.newFolder()
    let port = 6432
    try Shell.run(
      """
      printf '%s\\n' '[databases]' '* = host=\(server.folder) port=\(server.port)' '[pgbouncer]' \
        'pool_mode = transaction' 'default_pool_size = 2' 'auth_type = any' 'listen_port = \(port)' \
        'unix_socket_dir = \(folder)' 'max_client_conn = 200' 'logfile = \(folder)/log' > \(folder)/ini
      chmod a+r \(folder)/ini
      """)
    // `auth_type = any` takes the user from the database's line.
    try Shell.run("sed -i 's/^\\* = /* = user=postgres /' \(folder)/ini")
    shell = try Shell(
      """
      # Debian has it where users' PATH does not look.
      PATH="$PATH:/usr/sbin"
      \(TestServer.runAs) pgbouncer -q \(folder)/ini >/dev/null 2>&1 &
      read ignored
      kill $!
      wait
      """)
    dsn = "host=\(folder) port=\(port) user=postgres dbname=postgres"
    try Shell.run(
      "for i in $(seq 200); do [ -S \(folder)/.s.PGSQL.\(port) ] && exit 0; sleep 0.05; done; cat \(folder)/log; exit 1"
    )
  }

  deinit { shell.close() }
}

@Suite(.timeLimit(.minutes(2))) struct PoolerTests {
  @Test func `all of it works behind a transaction pooler`() async throws {
    let pooler = try Pooler(to: try await TestServer.shared.value)
    try await withClient({
      $0.dsn = pooler.dsn
      $0.pooler = true
      $0.sharedConnections = 4
      $0.statementTimeout = .seconds(11)
    }) { client in
      try await client.query("create table pooled (n int, who text)")
      let session = PostgresSession(role: "pg_monitor", claims: #"{"sub":"me"}"#)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<64 {
          group.addTask {
            for n in 0..<10 {
              switch (caller + n) % 4 {
              case 0:
                let row = try await client.query(
                  "select current_user::text, current_setting('request.jwt.claims'), \(caller)", as: session)
                let (role, claims, back) = try row[0].decode(String.self, String.self, Int.self)
                #expect(role == "pg_monitor" && claims == session.claims && back == caller)
              case 1:
                await expect(.databaseQuery) { try await client.query("select 1 / \(0)", as: session) }
              case 2:
                let row = try await client.query(
                  "select current_user::text, nullif(current_setting('request.jwt.claims', true), ''), current_setting('statement_timeout')"
                )
                let (role, claims, limit) = try row[0].decode(String.self, String?.self, String.self)
                #expect(role == "postgres" && claims == nil && limit == "11s")
              default:
                try await client.withTransaction { connection in
                  try await connection.query("insert into pooled values (\(Int32(caller)), 'x')")
                  let row = try await connection.query(
                    "update pooled set who = 'y' where n = \(Int32(caller)) returning txid_current()")
                  let again = try await connection.query("select txid_current()")
                  let (before, after) = (try row[0].decode(Int.self), try again[0].decode(Int.self))
                  #expect(before == after)
                }
              }
            }
          }
        }
        try await group.waitForAll()
      }
      // One statement that lingers would fail those who come to its server connection next.
      let prepared = try await client.query("select from pg_prepared_statements")
      let count = try await client.query("select count(*) from pooled where who = 'y'")[0].decode(Int.self)
      #expect(prepared.isEmpty && count == 160)
    }
  }

  @Test func `migrations go through a pooler and leave nothing in its sessions`() async throws {
    let server = try await TestServer.shared.value
    let pooler = try Pooler(to: server)
    try await withClient { try await $0.withConnection { try await $0.execute(unsafeSQL: "create database migrated") } }
    let migrations = [
      Migration(
        version: "1", name: "strays",
        sql: """
          create table public.one (); create temp table scratch (); listen news; set search_path = '';
          set role pg_monitor
          """, undo: nil, origin: .folder),
      Migration(version: "2", name: "next", sql: "create table two ()", undo: "drop table two", origin: .folder),
    ]
    try await withClient({
      $0.dsn = pooler.dsn + " dbname=migrated"
      $0.pooler = true
      $0.sharedConnections = 4
    }) { client in
      let migrator = try Migrator(client: client, migrations: migrations, logger: quiet)
      async let other = migrator.push()
      let applied = try await migrator.push() + other
      #expect(applied.sorted() == ["1", "2"])
      let status = try await migrator.status()
      #expect(status.isCurrent)
      for _ in 0..<20 {
        let rows = try await client.query(
          """
          select current_user::text, current_setting('search_path'), to_regclass('pg_temp.scratch') is null,
            (select count(*) from pg_listening_channels()), to_regclass('public.two') is not null
          """)
        let (user, path, isClean, listens, isThere) = try rows[0].decode(
          String.self, String.self, Bool.self, Int.self, Bool.self)
        #expect(user == "postgres" && path == #""$user", public"# && isClean && listens == 0 && isThere)
      }
      let undone = try await migrator.rollback()
      #expect(undone == ["2"])
    }
  }

  @Test func `what callers send at once, each on a connection of its own, comes back to each`() async throws {
    let pooler = try Pooler(to: try await TestServer.shared.value)
    try await withClient({
      $0.dsn = pooler.dsn
      $0.pooler = true
    }) { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<8 {
          group.addTask {
            try await client.withConnection { connection in
              try await withThrowingTaskGroup(of: Void.self) { statements in
                for n in 0..<50 {
                  statements.addTask {
                    let number = caller * 100 + n
                    // A script can follow nothing that is still on its way.
                    if n % 10 == 9 { return try await connection.execute(unsafeSQL: "select \(number); select 1") }
                    let back = try await connection.query("select \(number)")[0].decode(Int.self)
                    #expect(back == number)
                  }
                }
                try await statements.waitForAll()
              }
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `time limits and cancels hold behind a pooler`() async throws {
    let server = try await TestServer.shared.value
    let pooler = try Pooler(to: server)
    try await withClient({
      $0.dsn = pooler.dsn
      $0.pooler = true
      $0.statementTimeout = .milliseconds(200)
    }) { client in
      await expect(.databaseTimeout) { try await client.query("select pg_sleep(20)") }
      let task = Task {
        try await client.withTransaction(as: PostgresSession(statementTimeout: .zero)) {
          _ = try await $0.query("select pg_sleep(600) as pooled")
        }
      }
      try await waitUntilRunning("as pooled", on: server)
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await withClient { direct in
        while try await direct.query(
          "select from pg_stat_activity where state = 'active' and strpos(query, 'as pooled') > 0 and pid <> pg_backend_pid()"
        ).count > 0 {}
      }
      try await client.query("select 1")
    }
  }
}
