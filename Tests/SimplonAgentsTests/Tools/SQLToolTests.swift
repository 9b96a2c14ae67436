import FoundationEssentials
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(2))) struct SQLToolTests {
  /// A database with a login of its own, and the tool on it.
  private struct Warehouse {
    let database: TestDatabase
    let login: String
    let sql: SQLTool

    func call(
      _ query: String, _ parameters: JSON = [], on connector: String = "reading", write: Bool = false,
      maxRows: Int? = nil, run: UUID = UUID(), attempt: Int = 1, lease: Lease = .long
    ) async throws -> JSON {
      var input: [String: JSON] = ["connector": .string(connector), "query": .string(query), "parameters": parameters]
      if write { input["write"] = true }
      input["max_rows"] = maxRows.map { .integer($0) }
      return try await sql.run(
        ToolCall(
          runID: run, stepID: "step", attempt: attempt, userID: nil, input: .object(input), timeout: .seconds(30),
          layers: LayerStack(), lease: lease)
      ).output
    }

    func refusal(_ query: String, on connector: String = "reading", write: Bool = false) async -> SimplonError? {
      await #expect(throws: SimplonError.self, "\(query)") { try await call(query, on: connector, write: write) }
    }

    func count() async throws -> String? {
      try await database.execute("select count(*)::text from things").first ?? nil
    }
  }

  private func withWarehouse<R: Sendable>(_ body: (Warehouse) async throws -> R) async throws -> R {
    try await withTestDatabase(.empty) { database in
      let login = "login_\(UInt64.random(in: .min ... .max))"
      try await database.execute(
        """
        create role \(login) login password 'secret';
        create table things (id integer primary key, name text);
        insert into things select n, 'thing ' || n from generate_series(1, 5) n;
        create table simplon_effects (
          run_id uuid not null, step_id text not null, attempt integer not null, outcome jsonb,
          created_at timestamptz not null default now(), primary key (run_id, step_id, attempt));
        create sequence numbers;
        grant select, insert, update, delete on things to \(login);
        create function simplon_effect_begin(run uuid, step text, nr bigint, out is_new boolean, out outcome jsonb)
        language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
        begin
          insert into public.simplon_effects (run_id, step_id, attempt) values (run, step, nr) on conflict do nothing;
          is_new := found;
          select e.outcome into outcome from public.simplon_effects e
          where e.run_id = run and e.step_id = step and e.attempt = nr;
        end $$;
        create function simplon_effect_end(run uuid, step text, nr bigint, result jsonb) returns void
        language sql security definer set search_path = pg_catalog, pg_temp as $$
          update public.simplon_effects e set outcome = result
          where e.run_id = run and e.step_id = step and e.attempt = nr and e.outcome is null
        $$;
        revoke all on function simplon_effect_begin, simplon_effect_end from public;
        grant execute on function simplon_effect_begin, simplon_effect_end to \(login);
        grant usage on sequence numbers to \(login)
        """)
      let dsn = database.admin + " user=\(login) password=secret"
      let list: [JSON] = [
        ["name": "reading", "kind": "postgres", "dsn": .string(dsn)],
        ["name": "quick", "kind": "postgres", "dsn": .string(dsn), "statement_timeout": "200ms", "max_rows": 3],
        ["name": "brief", "kind": "postgres", "dsn": .string(dsn), "statement_timeout": "500ms"],
        ["name": "writing", "kind": "postgres", "dsn": .string(dsn), "read_only": false],
        ["name": "once", "kind": "postgres", "dsn": .string(dsn), "read_only": false, "effects_table": true],
        ["name": "owner", "kind": "postgres", "dsn": .string(database.owner)],
        ["name": "admin", "kind": "postgres", "dsn": .string(database.admin)],
        ["name": "api", "kind": "postgres", "dsn": .string(database.api)],
        ["name": "worker", "kind": "postgres", "dsn": .string(database.worker)],
      ]
      let connectors = Connectors(try Connector.list(parsing: JSON.array(list).text), logger: .quiet)
      let result = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await connectors.run() }
        defer { group.cancelAll() }
        return try await body(Warehouse(database: database, login: login, sql: SQLTool(connectors: connectors)))
      }
      try await database.execute("drop owned by \(login); drop role \(login)")
      return result
    }
  }

  @Test func `rows come with their columns, exact and in order`() async throws {
    try await withWarehouse { warehouse in
      let output = try await warehouse.call(
        """
        select id, name, 1.10::numeric as exact, 9007199254740993::bigint as large, true as yes, null as none,
          '{"a": [1.0]}'::jsonb as json, array[1, 2] as list, 'NaN'::float8 as nan, '\\x00ff'::bytea as bytes,
          timestamptz '2026-01-02 03:04:05+01' as at, id from things where id <= $1 order by id desc; \n
        """, [2])
      #expect(
        output["columns"]?.array?.map { $0["name"]?.string ?? "" }
          == ["id", "name", "exact", "large", "yes", "none", "json", "list", "nan", "bytes", "at", "id"])
      #expect(
        output["columns"]?.array?.prefix(7).map { $0["type"]?.string ?? "" }
          == ["integer", "text", "numeric", "bigint", "boolean", "text", "jsonb"])
      #expect(
        output["rows"]?.array?.first == [
          2, "thing 2", .number("1.10"), .number("9007199254740993"), true, nil, ["a": [.number("1.0")]], [1, 2], "NaN",
          "\\x00ff", "2026-01-02T02:04:05+00:00", 2,
        ])
      #expect(output["row_count"] == 2 && output["truncated"] == false)
    }
  }

  @Test func `values are bound, whatever they hold`() async throws {
    try await withWarehouse { warehouse in
      let evil: JSON = "'; drop table things; --"
      let output = try await warehouse.call(
        "select $1::text, $2::numeric, $3::boolean, $4::jsonb, $5::text",
        [evil, .number("0.1"), false, ["k": [1, nil]], nil])
      #expect(output["rows"] == [[evil, .number("0.1"), false, ["k": [1, nil]], nil]])
      #expect(try await warehouse.count() == "5")
      #expect(try await warehouse.call("select name from things where id = $1", ["3"])["rows"] == [["thing 3"]])
    }
  }

  @Test func `rows and bytes are capped, and nothing larger is sent`() async throws {
    try await withWarehouse { warehouse in
      let some = try await warehouse.call("select * from generate_series(1, 100000)", maxRows: 250)
      #expect(some["rows"]?.array?.count == 250 && some["truncated"] == true)
      #expect(try await warehouse.call("select id from things", on: "quick")["rows"]?.array?.count == 3)
      let exact = try await warehouse.call("select id from things", maxRows: 5)
      #expect(exact["row_count"] == 5 && exact["truncated"] == false)
      let wide = try await warehouse.call("select repeat('x', 400000) from generate_series(1, 10)")
      #expect(wide["rows"]?.array?.count == 2 && wide["truncated"] == true)
      let huge = try await warehouse.call("select repeat('x', 100000000)")
      #expect(huge["rows"] == [] && huge["truncated"] == true)
    }
  }

  /// Statements that would do more than read, or that are none.
  private static let notReading = [
    "insert into things values (6, 'x')", "insert into things values (6, 'x') returning id",
    "update things set name = ''",
    "delete from things", "truncate things", "drop table things", "create table t ()", "create temp table t ()",
    "select 1; delete from things", "begin", "commit", "rollback", "set transaction read write", "reset all",
    "set role postgres", "set session authorization postgres", "set default_transaction_read_only = off",
    "copy things to stdout", "copy things from stdin", "copy (select 1) to program 'true'",
    "do $$ begin commit; end $$",
    "call nothing()", "listen x", "notify x", "prepare x as select 1", "execute x", "deallocate all", "discard all",
    "vacuum", "lock table things", "declare c cursor for select 1", "fetch all from simplon_rows", "close all",
    "with x as (delete from things returning *) select * from x", "select * into t from things",
    "select id from things for update", "select nextval('numbers')",
    "select set_config('transaction_read_only', 'off', true)",
    "select set_config('transaction_read_only', 'off', false), nextval('numbers')",
    "select pg_read_file('/etc/passwd')",
    "select set_config('role', 'postgres', true)", "", ";", "-- nothing", "select", "show all",
    "select 1) as x, (select 2", "select 1 /*", "explain analyze delete from things",
    "--\rcommit /*\nselect 1 */",
  ]

  @Test func `a statement that would do more than read is refused`() async throws {
    try await withWarehouse { warehouse in
      for query in Self.notReading {
        let error = await warehouse.refusal(query)
        #expect([.toolFailed, .toolInput].contains(error?.code), "\(query): \(error.map { "\($0)" } ?? "")")
        // Whatever was tried, the next call finds a clean session.
        let next = try await warehouse.call("select current_setting('transaction_read_only'), count(*) from things")
        #expect(next["rows"] == [["on", 5]], "\(query)")
      }
    }
  }

  @Test func `what a read writes in spite of all is undone`() async throws {
    try await withWarehouse { warehouse in
      // PostgreSQL before 16 makes large objects in read-only transactions.
      _ = try? await warehouse.call("select lo_create(424242)")
      let left = try await warehouse.database.execute("select count(*)::text from pg_largeobject_metadata")
      #expect(left == ["0"])
    }
  }

  @Test func `a login that is somebody else too is refused`() async throws {
    try await withWarehouse { warehouse in
      for name in ["owner", "admin", "api", "worker"] {
        let error = await warehouse.refusal("select 1", on: name)
        #expect(error?.code == .toolConnector, "\(name)")
      }
      try await warehouse.database.execute("grant anon to \(warehouse.login)")
      #expect(await warehouse.refusal("select 1")?.code == .toolConnector)
      try await warehouse.database.execute("revoke anon from \(warehouse.login)")
      #expect(try await warehouse.call("select 1")["rows"] == [[1]])
    }
  }

  @Test func `writing takes a connector that allows it and a step that says so`() async throws {
    try await withWarehouse { warehouse in
      #expect(await warehouse.refusal("delete from things", write: true)?.code == .toolConnector)
      #expect(await warehouse.refusal("delete from things", on: "writing")?.code == .toolInput)
      let deleted = try await warehouse.call("delete from things where id > $1", [3], on: "writing", write: true)
      #expect(deleted == ["columns": [], "rows": [], "row_count": 2, "truncated": false])
      let made = try await warehouse.call(
        "insert into things select n, $1 from generate_series(10, 14) n returning id, name", ["new"], on: "writing",
        write: true, maxRows: 2)
      #expect(made["rows"] == [[10, "new"], [11, "new"]])
      #expect(made["row_count"] == 5 && made["truncated"] == true)
      #expect(try await warehouse.count() == "8")
      for query in [
        "commit", "begin", "set role postgres", "truncate things", "do $$ begin end $$", "call x()",
        "--\rcommit /*\nselect 1 */", "create table t ()", "copy things to stdout", "(select 1)",
      ] {
        #expect(await warehouse.refusal(query, on: "writing", write: true)?.code == .toolInput, "\(query)")
      }
      #expect(try await warehouse.count() == "8")
    }
  }

  @Test func `a write with a record happens once for a step and attempt`() async throws {
    try await withWarehouse { warehouse in
      let run = UUID()
      let insert = "insert into things values ((select max(id) + 1 from things), 'x') returning id"
      let first = try await warehouse.call(insert, on: "once", write: true, run: run)
      #expect(first["rows"] == [[6]])
      #expect(try await warehouse.call(insert, on: "once", write: true, run: run) == first)
      #expect(try await warehouse.count() == "6")
      #expect(try await warehouse.call(insert, on: "once", write: true, run: run, attempt: 2)["rows"] == [[7]])
      // One that fails leaves no record, so it can be done after all.
      let other = UUID()
      await #expect(throws: SimplonError.self) {
        try await warehouse.call("insert into things values (1, 'x')", on: "once", write: true, run: other)
      }
      _ = try await warehouse.call("insert into things values (100, 'x')", on: "once", write: true, run: other)
      #expect(try await warehouse.count() == "8")
    }
  }

  @Test func `calls of the same step at the same time write once`() async throws {
    try await withWarehouse { warehouse in
      let run = UUID()
      let outputs = try await withThrowingTaskGroup(of: JSON.self) { group in
        for _ in 0..<4 {
          group.addTask {
            try await warehouse.call(
              "insert into things values (nextval('numbers') + 5, 'x') returning id", on: "once", write: true, run: run)
          }
        }
        return try await group.reduce(into: Set<JSON>()) { $0.insert($1) }
      }
      #expect(outputs.count == 1)
      #expect(try await warehouse.count() == "6")
    }
  }

  @Test func `a statement that takes too long is stopped, and its mistake is told`() async throws {
    try await withWarehouse { warehouse in
      #expect(await warehouse.refusal("select pg_sleep(60)", on: "quick")?.code == .toolTimeout)
      let error = await warehouse.refusal("select nonsense from things")
      #expect(error?.code == .toolFailed && error?.details?["sqlstate"] == "42703")
      #expect(error?.message == "PostgreSQL refuses the statement: column \"nonsense\" does not exist")
      let division = await warehouse.refusal("select 1 / (id - id) from things")
      #expect(division?.details?["sqlstate"] == "22012")
    }
  }

  @Test func `all rows together have the time of one statement`() async throws {
    try await withWarehouse { warehouse in
      let error = await warehouse.refusal("select pg_sleep(0.002)::text from generate_series(1, 1000)", on: "brief")
      #expect(error?.code == .toolTimeout)
    }
  }

  @Test func `a connector's function cannot speak for the engine`() async throws {
    try await withWarehouse { warehouse in
      try await warehouse.database.execute(
        "create function stale() returns int language plpgsql as $$ begin raise 'x' using errcode = 'SIM01'; end $$")
      let error = await warehouse.refusal("select stale()")
      #expect(error?.code == .toolFailed && error?.message.contains("SIM") == true)
    }
  }

  @Test func `a statement cannot lift the limit of its own time`() async throws {
    try await withWarehouse { warehouse in
      let error = await warehouse.refusal(
        """
        select set_config('statement_timeout', '0', true) from generate_series(1, 150)
        union all select pg_sleep(30)::text
        """, on: "brief")
      #expect(error?.code == .toolTimeout)
    }
  }

  @Test func `who shares a connector sees neither the ledger nor what others have asked`() async throws {
    try await withWarehouse { warehouse in
      let ledger = await warehouse.refusal("select run_id from simplon_effects", on: "once")
      #expect(ledger?.details?["sqlstate"] == "42501")
      _ = try await warehouse.call("select 'swordfish' as word")
      let found = try await warehouse.call(
        "select count(*) as n from pg_prepared_statements where statement like '%sword' || 'fish%'")
      #expect(found["rows"] == [[0]])
    }
  }

  @Test func `a write makes no table`() async throws {
    try await withWarehouse { warehouse in
      let error = await #expect(throws: SimplonError.self) {
        try await warehouse.call("select * into stolen from things", on: "writing", write: true)
      }
      #expect(error?.code == .toolInput || error?.details?["sqlstate"] == "42501")
      let tables = try await warehouse.call("select count(*) as n from pg_class where relname = 'stolen'")
      #expect(tables["rows"] == [[0]])
    }
  }

  @Test func `nothing is sent once the lease has run out`() async throws {
    try await withWarehouse { warehouse in
      let error = await #expect(throws: SimplonError.self) {
        try await warehouse.call("delete from things", on: "writing", write: true, lease: Lease())
      }
      let count = try await warehouse.count()
      #expect(error?.code == .runStale && count == "5")
    }
  }
}
