import Foundation
import SimplonCluster
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// Reads PostgreSQL's own catalog: what callers' roles can reach, over every table, partition and function.
@Suite(.timeLimit(.minutes(1)))
struct GrantsTests {
  @Test func `the list of migrations is the folders' content`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Sources/SimplonAgents/Schema").standardizedFileURL
    for (name, suffix, text) in [("Migrations", "sql", \AgentSchemaText.sql), ("Undo", "undo.sql", \.undo)] {
      let files = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: name).path).sorted()
      #expect(files == AgentSchema.migrations.map { "\($0.version)_\($0.name).\(suffix)" })
      for (file, migration) in zip(files, AgentSchema.migrations) {
        let content = try String(contentsOf: folder.appending(path: "\(name)/\(file)"), encoding: .utf8)
        #expect(AgentSchemaText(migration)[keyPath: text] == content)
      }
    }
  }

  @Test func `anon reaches no table and no function of ours`() async throws {
    try await withTestDatabase { database in
      let tables = try await database.execute(
        """
        select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'simplon') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
          and (has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate, references, trigger')
            or has_any_column_privilege('anon', c.oid, 'select, insert, update, references'))
        """)
      #expect(tables == [])
      let functions = try await database.execute(
        """
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'simplon' and has_function_privilege('anon', p.oid, 'execute')
        """)
      #expect(functions == [])
    }
  }

  @Test func `a signed-in user reads the contract tables, inserts six columns of a run, and has nothing else`()
    async throws
  {
    try await withTestDatabase { database in
      let writable = try await database.execute(
        """
        select n.nspname || '.' || c.relname || '.' || a.attname from pg_class c
        join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
        where n.nspname in ('public', 'simplon') and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
          and has_column_privilege('authenticated', c.oid, a.attnum, 'insert, update, references')
        order by a.attname
        """)
      #expect(
        writable == ["agent", "metadata", "plan", "project_id", "prompt", "workflow"].map { "public.agent_runs.\($0)" })
      let others = try await database.execute(
        """
        select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'simplon') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
          and (has_table_privilege('authenticated', c.oid, 'delete, truncate, trigger')
            or n.nspname = 'simplon' and has_table_privilege('authenticated', c.oid, 'select'))
        """)
      #expect(others == [])
      let functions = try await database.execute(
        """
        select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'simplon' and has_function_privilege('authenticated', p.oid, 'execute') order by 1
        """)
      #expect(
        functions == [
          "act_on_run", "change_execution", "change_schedule", "change_webhook", "change_workflow", "create_run",
          "create_task", "delete_memory", "delete_schedule", "delete_webhook", "delete_workflow", "fork_run",
          "get_memory", "issue_ticket", "put_memory", "redeliver", "report_execution", "report_metrics",
          "respond_to_run", "resume_run", "save_schedule", "save_webhook", "save_workflow", "search_memory",
          "snapshot_run", "uuid_v7", "uuid_v7_floor", "why_run",
        ])
    }
  }

  @Test func `row security is on and forced on every table and partition that holds users' rows`() async throws {
    try await withTestDatabase { database in
      let open = try await database.execute(
        """
        select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
          and (n.nspname = 'public' or c.relispartition)
        """)
      #expect(open == [])
    }
  }

  @Test func `functions with the owner's rights fix their search path, and nobody may run them by default`()
    async throws
  {
    try await withTestDatabase { database in
      let loose = try await database.execute(
        """
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'simplon' and (
          p.prosecdef and not coalesce('search_path=""' = any (p.proconfig), false)
          or has_function_privilege('public', p.oid, 'execute'))
        """)
      #expect(loose == [])
    }
  }

  @Test func `a user sees and changes only what is its own, through every table`() async throws {
    try await withTestDatabase { database in
      let alice = "aaaaaaaa-0000-4000-8000-000000000001"
      let bob = "bbbbbbbb-0000-4000-8000-000000000002"
      func claims(_ user: String) -> String {
        "select set_config('request.jwt.claims', '{\"sub\":\"\(user)\",\"role\":\"authenticated\"}', false); set role authenticated;"
      }
      for user in [alice, bob] {
        try await database.execute(claims(user) + "insert into agent_runs (prompt) values ('of \(user)')", as: .api)
      }
      // Rows of both in every table that has an owner.
      try await database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, user_id, tool, status, epoch)
          select id, 1, 'a', user_id, 'noop', 'completed', 1 from agent_runs;
        insert into agent_messages (run_id, position, user_id, attempt, role, content)
          select id, 1, user_id, 1, 'user', '{}' from agent_runs;
        insert into agent_artifacts (run_id, attempt, user_id, path, size, mime, sha256)
          select id, 1, user_id, 'a', 0, 'text/plain', repeat('0', 64) from agent_runs;
        insert into agent_run_connectors (run_id, name, user_id) select id, 'c', user_id from agent_runs;
        insert into execution_snapshots (run_id, user_id, attempt, status) select id, user_id, 1, status from agent_runs;
        insert into agent_executions (task_id, agent_type, task_type, user_id)
          select id::text, 'general', 't', user_id from agent_runs;
        insert into agent_model_calls (
          id, run_id, root_id, attempt, step_id, epoch, user_id, model, output_limit, day)
          select gen_random_uuid(), id, id, 1, 'a', 1, user_id, 'openai/m', 1, current_date from agent_runs;
        insert into agent_instances (agent_id, agent_type, user_id) select id::text, 'general', user_id from agent_runs;
        insert into agent_metrics (agent_instance_id, agent_type, user_id, period_start, period_end)
          select id, 'general', user_id, now(), now() + interval '1 hour' from agent_instances;
        insert into workflows (name, user_id, plan) select 'w', user_id, '{}' from agent_runs;
        insert into workflow_versions (workflow_id, version, user_id, plan, inputs)
          select id, 1, user_id, plan, inputs from workflows;
        insert into workflow_executions (workflow_id, workflow_name, version, user_id, status)
          select id, name, 1, user_id, 'queued' from workflows;
        insert into agent_schedules (name, user_id, owner_claims, every_seconds, run)
          select 's', user_id, '{}', 60, '{}' from agent_runs;
        insert into agent_webhooks (user_id, url, events)
          select user_id, 'https://a.example/', '{run.failed}' from agent_runs;
        insert into agent_webhook_deliveries (webhook_id, user_id, event, payload)
          select id, user_id, 'run.failed', '{}' from agent_webhooks;
        insert into agent_memory (user_id, key, content) select user_id, 'k', 'c' from agent_runs;
        insert into environments (user_id, name) select user_id::text, 'e' from agent_runs;
        insert into tasks (user_id, title) select user_id::text, 't' from agent_runs;
        """)
      let tables = try await database.execute(
        """
        select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id'
        where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname <> 'system_health' order by 1
        """
      ).compactMap(\.self)
      #expect(tables.count == 22)
      for table in tables {
        let seen = try await database.execute(
          claims(alice)
            + "select count(*) filter (where user_id = '\(alice)') || ' ' || count(*) filter (where user_id is distinct from '\(alice)') from \(table)",
          as: .api)
        #expect(seen.last??.hasSuffix(" 0") == true && seen.last??.hasPrefix("0") == false, "\(table): \(seen)")
        for change in [
          "update \(table) set user_id = user_id", "delete from \(table)", "truncate \(table)",
          "update \(table) set user_id = '\(alice)' where user_id = '\(bob)'",
        ] {
          await refused("42501", change) { try await database.execute(claims(alice) + change, as: .api) }
        }
      }
      for insert in [
        "insert into agent_runs (prompt, user_id) values ('x', '\(bob)')",
        "insert into agent_runs (prompt, status) values ('x', 'completed')",
        "insert into agent_runs (prompt, cost) values ('x', -1)",
        "insert into agent_runs (prompt, owner_claims) values ('x', '{}')",
        "insert into agent_runs (prompt, id) values ('x', gen_random_uuid())",
        "insert into agent_steps (run_id, attempt, step_id, tool, status, epoch) select id, 1, 'z', 'noop', 'completed', 1 from agent_runs",
        "insert into agent_task_queue (run_id) select id from agent_runs",
        "insert into agent_task_logs (run_id, seq, kind, payload) select id, 99, 'log', '{}' from agent_runs",
        "select * from simplon.run_state", "select * from simplon.tickets", "select * from simplon.workers",
        "select simplon.claim_runs(gen_random_uuid(), 1, '1s', 10)", "select simplon.settle_steps('[]')",
        "select simplon.redeem_ticket('\\x00', gen_random_uuid())", "select simplon.recover_runs()",
        "insert into observability_events (event, resource, resource_id) values ('x', 'x', 'x')",
        "insert into agent_instances (agent_id, agent_type) values ('x', 'general')",
        "insert into agent_executions (task_id, agent_type, task_type) values ('x', 'general', 't')",
        "insert into system_health (component, status) values ('x', 'healthy')",
        "select simplon.roll_up_metrics()", "select simplon.find_agent('x')", "select simplon.set_run_caps(1, 1)",
        "select simplon.charge_use('{}', '{}')", "select simplon.cap_reason(null)", "select * from simplon.recent_use",
        "select simplon.lock_tree(gen_random_uuid())", "select simplon.cancel_runs('{}')",
        "select simplon.create_child(gen_random_uuid(), 1, 1, 'a', '{}', 1)", "select simplon.wake_parents('{}')",
        "insert into execution_snapshots (run_id, attempt, status) select id, 1, status from agent_runs",
        "insert into agent_model_calls (id) values (gen_random_uuid())",
        "select * from simplon.model_prices", "select * from simplon.spending",
        "select simplon.set_price('openai/m', 0, 0)", "select simplon.settle_lost_calls()",
        "select * from simplon.webhook_secrets", "select simplon.take_deliveries(1)", "select simplon.due_schedules()",
        "select simplon.fire_schedule(gen_random_uuid(), now(), '{}', 1)",
        "select simplon.plan_schedule(gen_random_uuid())",
        "insert into workflows (name, plan) values ('x', '{}')",
        "insert into agent_schedules (name, owner_claims, every_seconds, run) values ('x', '{}', 60, '{}')",
        "insert into agent_webhooks (url, events) values ('https://a.example', '{run.failed}')",
        "insert into agent_memory (key, content) values ('x', 'x')", "select simplon.take_memories(1)",
        "select simplon.hold_step(gen_random_uuid(), 1, 'x')", "select simplon.take_evaluations(1)",
        "select simplon.store_score(gen_random_uuid(), now(), 1)", "select simplon.add_vectors()",
        "select * from simplon.memory_queue", "select * from simplon.evaluations",
      ] {
        await refused("42501", insert) { try await database.execute(claims(alice) + insert, as: .api) }
      }
      let partitions = try await database.execute(
        """
        select inhrelid::regclass from pg_inherits where inhparent in (
          'agent_task_logs'::regclass, 'agent_metrics'::regclass, 'observability_events'::regclass)
        """)
      // This month's and three more of each, and the metrics' month before.
      #expect(partitions.count == 13)
      for partition in partitions.compactMap(\.self) {
        await refused("42501", partition) {
          try await database.execute(claims(alice) + "select * from \(partition)", as: .api)
        }
      }
    }
  }

  @Test func `the service stops and deletes users' schedules and webhooks, and changes nothing else about them`()
    async throws
  {
    try await withTestDatabase { database in
      try await database.execute(
        """
        insert into agent_schedules (name, owner_claims, every_seconds, run) values ('s', '{}', 60, '{}');
        insert into agent_webhooks (url, events) values ('https://a.example/', '{run.failed}')
        """)
      for (table, change) in [
        ("agent_schedules", "owner_claims = '{}'"), ("agent_schedules", "run = '{}'"), ("agent_webhooks", "url = 'x'"),
      ] {
        await refused("42501", change) {
          try await database.execute("set role service_role; update \(table) set \(change)", as: .worker)
        }
      }
      for table in ["agent_schedules", "agent_webhooks"] {
        try await database.execute("set role service_role; update \(table) set enabled = false", as: .worker)
        #expect(try await database.execute("select enabled from \(table)") == ["f"])
        try await database.execute("set role service_role; delete from \(table)", as: .worker)
        #expect(try await database.execute("select count(*) from \(table)") == ["0"])
      }
    }
  }

  @Test func `steering another user's run is answered as if there were none`() async throws {
    try await withTestDatabase { database in
      let claims = { (user: String) in
        "select set_config('request.jwt.claims', '{\"sub\":\"\(user)\",\"role\":\"authenticated\"}', false); set role authenticated;"
      }
      let run = try await database.execute(
        claims("aaaaaaaa-0000-4000-8000-000000000001") + "insert into agent_runs (prompt) values ('x') returning id",
        as: .api)
      let id = try #require(run.last ?? nil)
      for call in [
        "select simplon.act_on_run('\(id)', 'stop')", "select simplon.why_run('\(id)')",
        "select simplon.fork_run('\(id)', '{}')", "select simplon.snapshot_run('\(id)')",
        "select simplon.resume_run('\(id)', null)",
        "select simplon.issue_ticket('\(id)', '\\x00', now() + interval '1 hour')",
      ] {
        await refused("SIM03", call) {
          try await database.execute(claims("bbbbbbbb-0000-4000-8000-000000000002") + call, as: .api)
        }
      }
      #expect(try await database.execute("select status from agent_runs") == ["queued"])
    }
  }

  @Test func `the log only grows, for its owner too`() async throws {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      for change in ["update agent_task_logs set seq = 9", "delete from agent_task_logs"] {
        await refused("42501", change) { try await database.execute(change) }
      }
      #expect(try await database.execute("select count(*) from agent_task_logs") == ["1"])
    }
  }

  @Test func `a run acts with a user's role at most, whoever made it`() async throws {
    try await withTestDatabase { database in
      for role in ["authenticated", "service_role"] {
        try await database.execute(
          """
          select set_config('request.jwt.claims', '{"role": "\(role)", "sub": "aaaaaaaa-0000-4000-8000-000000000001"}', false);
          set role \(role); insert into agent_runs (prompt) values ('x')
          """)
      }
      let roles = try await database.execute("select owner_claims - 'sub' from agent_runs")
      #expect(roles == Array(repeating: #"{"role": "authenticated"}"#, count: 2))
    }
  }

  @Test func `what a run is made of has its bounds at every door`() async throws {
    try await withTestDatabase { database in
      for (columns, most) in [("prompt, agent", 255), ("prompt, workflow", 255), ("agent, prompt", 1_048_576)] {
        func insert(_ count: Int) async throws {
          try await database.execute("insert into agent_runs (\(columns)) values ('x', repeat('n', \(count)))")
        }
        await refused("SIM05", columns) { try await insert(most + 1) }
        guard !columns.contains("workflow") else { continue }
        try await insert(most)
      }
      await refused("SIM05", "metadata") {
        try await database.execute("insert into agent_runs (prompt, metadata) values ('x', '[]')")
      }
      for names in ["tools", "connectors"] {
        await refused("SIM05", names) {
          try await database.execute(
            "select simplon.create_run('{\"prompt\": \"x\", \"\(names)\": [null]}', null, null)")
        }
      }
      try await database.execute("select simplon.create_run('{\"prompt\": \"low\", \"priority\": -30000}', null, null)")
      #expect(try await database.execute("select priority from agent_runs where prompt = 'low'") == ["-100"])
    }
  }

  @Test(arguments: [
    ("plan", "jsonb_build_object('x', repeat('x', %))", 8_388_608 - 9),
    // Small as it is kept, and long as it is read.
    ("plan", "('[' || repeat('1e99999,', %) || '1]')::jsonb", 83),
    ("metadata", "jsonb_build_object('x', repeat('x', %))", 131_072 - 9),
    ("metadata", "('{\"x\": [' || repeat('\"a\",', %) || '\"a\"]}')::jsonb", 26_212),
  ])
  func `what a user inserts is no longer than what the API could have let in`(
    _ column: String, _ value: String, _ most: Int
  ) async throws {
    try await withTestDatabase { database in
      func insert(_ count: Int) async throws {
        let others = column == "plan" ? "" : ", prompt"
        try await database.execute(
          """
          select set_config('request.jwt.claims',
            '{"sub": "aaaaaaaa-0000-4000-8000-000000000001", "role": "authenticated"}', false);
          set role authenticated;
          insert into agent_runs (\(column)\(others))
          select \(value.replacing("%", with: "\(count)"))\(others.isEmpty ? "" : ", 'x'")
          """, as: .api)
      }
      try await insert(most)
      await refused("SIM05", value) { try await insert(most + 1) }
      let sizes = try await database.execute(
        "select size = octet_length(coalesce(plan::text, prompt)) + octet_length(metadata::text) from agent_runs")
      #expect(sizes == ["t"])
    }
  }

  @Test func `browsers are told of the agents' tables and of nothing of the engine`() async throws {
    try await withTestDatabase { database in
      let published = try await database.execute(
        """
        select schemaname || '.' || tablename from pg_publication_tables where pubname = 'supabase_realtime' order by 1
        """)
      let tables = ["artifacts", "executions", "instances", "messages", "runs", "steps"]
      #expect(
        published == tables.map { "public.agent_\($0)" }
          + ["public.environments", "public.system_health", "public.tasks"])
    }
  }

  @Test func `ids are version 7 and grow with time`() async throws {
    try await withTestDatabase { database in
      let ids = try await database.execute(
        "select simplon.uuid_v7() from generate_series(1, 50) g, lateral (select pg_sleep(0.002 * (g / g))) s"
      )
      .compactMap(\.self)
      #expect(ids.count == 50)
      #expect(ids.map { $0.prefix(13) } == ids.map { $0.prefix(13) }.sorted())
      #expect(ids.allSatisfy { Array($0)[14] == "7" && "89ab".contains(Array($0)[19]) })
    }
  }
}

/// Expects PostgreSQL's refusal, by its code.
func refused(_ sqlState: String, _ what: String, _ body: () async throws -> Void) async {
  let failure = await #expect(throws: TestSQLFailure.self, "\(what)") { try await body() }
  #expect(failure?.sqlState == sqlState, "\(what): \(failure?.text ?? "")")
}

/// The two texts of a migration, for the comparison with its files.
private struct AgentSchemaText {
  let sql: String
  let undo: String

  init(_ migration: SimplonPostgres.Migration) {
    sql = migration.sql
    undo = migration.undo ?? ""
  }
}
