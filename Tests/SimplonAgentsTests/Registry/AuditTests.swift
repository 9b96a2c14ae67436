import FoundationEssentials
import SimplonCluster
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct AuditTests {
  /// What the audit log says, oldest first.
  private func events(_ engine: Engine) async throws -> [String] {
    try await engine.database.execute(
      """
      select concat_ws(' ', event, resource, nullif(array_to_string(changed, ','), ''), coalesce(actor_role, 'engine'),
        upper(left(actor_id::text, 1)), upper(left(user_id::text, 1)))
      from observability_events order by created_at, id
      """
    ).compactMap(\.self)
  }

  @Test func `what a person does to a run is written down, and what the engine does is not`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]], start: false)
      _ = try await engine.runs.act(.start, on: run, as: Engine.alice)
      try await engine.withWorker { _ = try await engine.follow(run) }
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      _ = try await engine.runs.act(.retry, on: run, as: Engine.alice)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.service)
      _ = try await engine.runs.act(.resume, on: run, as: Engine.alice)
      #expect(
        try await events(engine) == [
          "run.created agent_runs authenticated A A", "run.started agent_runs status authenticated A A",
          "run.retried agent_runs status authenticated A A", "run.stopped agent_runs status service_role A",
          "run.resumed agent_runs status authenticated A A",
        ])
      let row = try await engine.database.execute("select distinct resource_id from observability_events")
      #expect(row == [run.uuidString.lowercased()])
    }
  }

  @Test func `a run made through the table is written down too`() async throws {
    try await Engine.with { engine in
      _ = try await engine.insert(plan: "{}")
      #expect(try await events(engine) == ["run.created agent_runs authenticated A A"])
    }
  }

  @Test func `what the service and owners change is written down by name, never by what is in it`() async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      try await engine.register("bobs", owner: Engine.bob)
      let registry = engine.registry
      _ = try await registry.change("bobs", AgentChange(json: [:]), as: Engine.service)
      _ = try await registry.change(
        "bobs", AgentChange(json: ["status": "busy", "configuration": ["key": "swordfish"]]), as: Engine.service)
      let report = try ExecutionReport(json: [
        "agent_id": "bobs", "task_id": "t", "task_type": "t", "status": "running",
      ])
      _ = try await registry.report(report, as: Engine.bob)
      _ = try await registry.change(
        execution: "t", ExecutionChange(json: ["output_data": ["x": "swordfish"]]), as: Engine.bob)
      _ = try await registry.record(HealthReading(json: ["component": "c", "status": "healthy"]), as: Engine.service)
      try await engine.upkeep().watch()
      #expect(
        try await events(engine) == [
          "agent.created agent_instances service_role B",
          "agent.changed agent_instances configuration,status service_role B",
          "execution.created agent_executions authenticated B B",
          "execution.changed agent_executions output_data authenticated B B",
          "reading.created system_health service_role",
        ])
      let all = try await engine.database.execute("select string_agg(e::text, ' ') from observability_events e")
      #expect(all.first??.contains("swordfish") == false)
      #expect(try await engine.database.execute("select distinct door from observability_events") != [""])
    }
  }

  @Test func `tasks, environments and prices are written down too, whosever they are`() async throws {
    try await Engine.with { engine in
      let person = try #require(Engine.alice.subject).uuidString
      try await engine.database.execute(
        """
        select set_config('request.jwt.claims', '\(Engine.service.claimsText)', false);
        set role service_role;
        insert into environments (user_id, name) values ('\(person)', 'swordfish');
        insert into tasks (user_id, title, environment_id)
          select 'a customer of before', 'swordfish', id from environments;
        update tasks set status = 'done', updated_at = now();
        update tasks set updated_at = now() + interval '1 second';
        delete from environments;
        select simplon.set_price('openai/m', 1, 2)
        """, as: .worker)
      #expect(
        try await events(engine) == [
          "environment.created environments service_role A", "task.created tasks service_role",
          "task.changed tasks status service_role", "environment.deleted environments service_role A",
          "price.created model_prices service_role",
        ])
      let all = try await engine.database.execute("select string_agg(e::text, ' ') from observability_events e")
      #expect(all.first??.contains("swordfish") == false)
    }
  }

  /// What it may not write itself is written by functions alone.
  @Test func `what the service may do to a table is written down, whichever table it is`() async throws {
    try await withTestDatabase { database in
      let silent = try await database.execute(
        """
        select c.relname || ' ' || change.name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (values ('insert', 4), ('delete', 8), ('update', 16)) as change (name, flag)
        where n.nspname = 'public' and c.relkind in ('r', 'p')
          and case change.name when 'delete' then has_table_privilege('service_role', c.oid, 'delete')
            else has_any_column_privilege('service_role', c.oid, change.name) end
          and not exists (
            select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
            where t.tgrelid = c.oid and p.proname in ('audit', 'audit_run') and (t.tgtype & change.flag) <> 0)
        order by 1
        """)
      #expect(silent == [])
    }
  }

  @Test func `a user reads what was done to its own and nothing else, and nobody changes it`() async throws {
    try await Engine.with { engine in
      _ = try await engine.create([["id": "a", "tool": "noop"]])
      _ = try await engine.create([["id": "a", "tool": "noop"]], as: Engine.bob)
      let seen = try await engine.database.execute(
        """
        select set_config('request.jwt.claims', '\(Engine.bob.claimsText)', false);
        set role authenticated;
        select upper(left(user_id::text, 1)) from observability_events
        """, as: .api)
      #expect(seen == ["B"])
      for change in ["update observability_events set event = 'x'", "delete from observability_events"] {
        await refused("42501", change) { try await engine.database.execute(change) }
        await refused("42501", change) {
          try await engine.database.execute("set role service_role; \(change)", as: .worker)
        }
      }
    }
  }

  @Test func `a run costs one row of it, however many steps it has`() async throws {
    try await Engine.with { engine in
      let steps = (0..<10).map { JSON.object(["id": .string("s\($0)"), "tool": "noop"]) }
      let run = try await engine.create(.array(steps))
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await engine.database.execute("select count(*) from observability_events") == ["1"])
    }
  }

  @Test func `months past retention are dropped whole`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        select simplon.make_month_partitions('observability_events', 3);
        insert into observability_events (event, resource, resource_id, created_at)
        select 'x', 'x', n::text, now() - n * interval '1 month' from generate_series(0, 3) n
        """)
      try await engine.upkeep().run()
      #expect(try await engine.database.execute("select count(*) from observability_events") == ["4"])
      try await engine.upkeep(auditRetention: .seconds(86_400 * 28)).run()
      let left = try await engine.database.execute("select resource_id from observability_events order by 1")
      #expect(left.first == "0" && !left.contains("3") && !left.contains("2"))
      await refused("SIM05", "less than a day") {
        try await engine.database.execute(
          "select simplon.drop_month_partitions('observability_events', interval '1 hour')")
      }
    }
  }
}
