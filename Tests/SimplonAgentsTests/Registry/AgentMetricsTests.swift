import FoundationEssentials
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct AgentMetricsTests {
  /// An execution that ended a time ago.
  private func ended(
    _ engine: Engine, _ status: String, _ ago: String, seconds: Double? = nil, quality: Double? = nil,
    agent: String = "a"
  ) async throws {
    try await engine.database.execute(
      """
      insert into agent_executions (
        task_id, agent_instance_id, agent_type, task_type, status, completed_at, execution_time_seconds, quality_score)
      select gen_random_uuid()::text, id, agent_type, 't', '\(status)', \(ago),
        \(seconds.map { "\($0)" } ?? "null"), \(quality.map { "\($0)" } ?? "null")
      from agent_instances where agent_id = '\(agent)'
      """)
  }

  private func rows(_ engine: Engine, _ condition: String = "true") async throws -> [String?] {
    try await engine.database.execute(
      """
      select concat_ws(' ', tasks_completed, tasks_failed, success_rate, average_execution_time,
        coalesce(average_quality_score::text, '-'), extract(epoch from period_end - period_start)::integer)
      from agent_metrics where \(condition) order by period_start
      """)
  }

  private let thisHour = "date_trunc('hour', now())"

  @Test func `an hour's figures are what one computes by hand`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      try await engine.register("idle")
      let before = "\(thisHour) - interval '1 second'"
      try await ended(engine, "completed", before, seconds: 1, quality: 0.5)
      try await ended(engine, "completed", before, seconds: 2)
      try await ended(engine, "completed", "\(thisHour) - interval '1 hour'", seconds: 3, quality: 1)
      try await ended(engine, "failed", before, seconds: 6)
      try await ended(engine, "cancelled", before, seconds: 100)
      try await ended(engine, "failed", thisHour)
      try await engine.upkeep().rollUpMetrics()
      // 3 of 4; (1 + 2 + 3 + 6) / 4; (0.5 + 1) / 2. Then an hour with a failure of which no time is known.
      #expect(try await rows(engine) == ["3 1 0.75 3 0.75 3600", "0 1 0 0 - 3600"])
      // What comes later in the hour changes it, and nothing else.
      try await ended(engine, "completed", thisHour, seconds: 4)
      try await engine.upkeep().rollUpMetrics()
      #expect(try await rows(engine) == ["3 1 0.75 3 0.75 3600", "1 1 0.5 4 - 3600"])
    }
  }

  @Test func `an hour does not count a task any more that was taken up again`() async throws {
    try await Engine.with { engine in
      func figures() async throws -> [String?] {
        try await engine.database.execute(
          """
          select i.agent_id || ' ' || m.tasks_completed from agent_metrics m
          join agent_instances i on i.id = m.agent_instance_id order by i.agent_id, m.period_start
          """)
      }
      var runs = [UUID]()
      for agent in ["a", "b"] {
        try await engine.register(agent)
        let task = try TaskRequest(
          agent: agent, json: ["task_type": "t", "plan": ["steps": [["id": "s", "tool": "noop"]]]])
        runs.append(try await engine.registry.runTask(task, idempotencyKey: nil, as: Engine.alice).run.runID)
      }
      let ago = "\(thisHour) - interval '3 hours'"
      try await ended(engine, "completed", "\(ago) + interval '30 minutes'", agent: "b")
      // Workers roll up when they start, so what is looked at is computed without one.
      try await engine.withWorker { for run in runs { _ = try await engine.follow(run) } }
      try await engine.database.execute(
        """
        update agent_runs set completed_at = \(ago) + interval '5 minutes';
        update agent_executions e set completed_at = r.completed_at from agent_runs r where r.id = e.run_id;
        delete from simplon.settings where name = 'metrics_since'
        """)
      try await engine.upkeep().rollUpMetrics()
      #expect(try await figures() == ["a 1", "b 2"])
      try await engine.withWorker {
        for run in runs {
          let last = try await engine.follow(run).last?.seq ?? 0
          _ = try await engine.runs.act(.retry, on: run, as: Engine.alice)
          _ = try await engine.follow(run, after: last)
        }
      }
      try await engine.upkeep().rollUpMetrics()
      // What else had ended in that hour stays; the hour of nothing else is gone.
      #expect(try await figures() == ["a 1", "b 1", "b 1"])
    }
  }

  @Test func `what an agent reports stands, and its report again takes its place`() async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      try await ended(engine, "failed", thisHour, agent: "bobs")
      let hour = try await engine.database.execute(
        """
        select to_char(h at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        from (values (\(thisHour)), (\(thisHour) + interval '1 hour')) as t (h)
        """
      ).compactMap(\.self)
      func report(_ completed: Int, as caller: Principal = Engine.bob) async throws -> JSON {
        let report = try MetricReport(
          json: [
            "agent_id": "bobs", "period_start": .string(hour[0]), "period_end": .string(hour[1]),
            "tasks_completed": .integer(completed), "average_quality_score": .number("0.25"),
          ])
        return try await JSON(parsing: engine.registry.report(report, as: caller))
      }
      let made = try await report(7)
      #expect(made["success_rate"] == 1 && made["reported"] == true && made["agent_id"] == "bobs")
      try await engine.upkeep().rollUpMetrics()
      #expect(try await rows(engine) == ["7 0 1 0 0.25 3600"])
      #expect(try await report(8)["id"] == made["id"])
      #expect(try await rows(engine) == ["8 0 1 0 0.25 3600"])
      await expectError(.agentNotFound) { _ = try await report(9, as: Engine.alice) }

      let query = ListQuery()
      func seen(by caller: Principal) async throws -> Int? {
        try await JSON(parsing: engine.registry.metrics(query, as: caller))["metrics"]?.array?.count
      }
      #expect(try await seen(by: Engine.bob) == 1)
      #expect(try await seen(by: Engine.alice) == 0)
    }
  }

  @Test func `a user reports no figures of a shared agent, and nobody those of a time without a place`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      func report(_ start: String, _ end: String, as caller: Principal) async throws {
        let json: JSON = ["agent_id": "a", "period_start": .string(start), "period_end": .string(end)]
        _ = try await engine.registry.report(MetricReport(json: json), as: caller)
      }
      let now = try #require(
        try await engine.database.execute("select to_char(now() at time zone 'UTC', 'YYYY-MM-DD')").first ?? nil)
      await expectError(.authForbidden) { try await report("\(now)T00:00:00Z", "\(now)T01:00:00Z", as: Engine.bob) }
      for (start, end) in [
        ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"), ("\(now)T01:00:00Z", "\(now)T01:00:00Z"),
        ("\(now)T01:00:00Z", "9999-01-01T00:00:00Z"),
      ] {
        await expectError(.requestInvalid) { try await report(start, end, as: Engine.service) }
      }
      #expect(try await rows(engine) == [])
    }
  }

  @Test func `months past retention are archived as one row a day, others and readings of late are kept`() async throws
  {
    try await Engine.with { engine in
      try await engine.register("a")
      try await engine.database.execute(
        """
        select simplon.make_month_partitions('agent_metrics', 3);
        insert into agent_metrics (agent_instance_id, agent_type, period_start, period_end, tasks_completed, tasks_failed,
          success_rate, average_execution_time, average_quality_score)
        select i.id, 'general', m.at + h * interval '1 hour', m.at + (h + 1) * interval '1 hour', h + 1, 1 - h, 1, h + 1,
          case h when 1 then 0.5 end
        from agent_instances i, generate_series(0, 1) h, (values
          (date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' - interval '3 months'),
          (date_trunc('month', now() at time zone 'UTC') at time zone 'UTC')) as m (at);
        insert into system_health (component, status, created_at)
          values ('old', 'healthy', now() - interval '61 days'), ('new', 'healthy', now())
        """)
      let upkeep = engine.upkeep(metricRetention: .seconds(86_400 * 31))
      try await upkeep.run()
      // 1 and 2 completed, 1 and 0 failed; the means weigh (1 * 2 + 2 * 2) / 4 and 0.5 for the two that have a score.
      let old = "period_start < date_trunc('month', now() - interval '2 months')"
      #expect(try await rows(engine, old) == ["3 1 0.75 1.5 0.5 86400"])
      #expect(try await rows(engine, "not \(old)").count == 2)
      #expect(try await engine.database.execute("select component from system_health") == ["new"])
      try await engine.database.execute("delete from simplon.settings")
      try await upkeep.run()
      #expect(try await rows(engine).count == 3)
    }
  }

  @Test func `no figure of an agent's stops the archive`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      try await engine.database.execute(
        """
        select simplon.make_month_partitions('agent_metrics', 3);
        insert into agent_metrics (agent_instance_id, agent_type, period_start, period_end, tasks_completed, tasks_failed)
        select i.id, 'general', m.at, m.at + interval '1 hour', 2147483647, 1
        from agent_instances i, (values
          (date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' - interval '3 months')) as m (at)
        """)
      try await engine.upkeep(metricRetention: .seconds(86_400 * 31)).run()
      #expect(try await engine.database.execute("select tasks_completed from agent_metrics") == ["2147483647"])
      let hours = "select extract(epoch from period_end - period_start)::integer from agent_metrics"
      #expect(try await engine.database.execute(hours) == ["86400"])
    }
  }

  @Test func `metrics are given for so many hours back, and go on where they were cut`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      try await engine.database.execute(
        """
        insert into agent_metrics (agent_instance_id, agent_type, period_start, period_end, tasks_completed)
        select id, 'general', now() - n * interval '1 hour', now() - (n - 1) * interval '1 hour', n
        from agent_instances, generate_series(1, 5) n
        """)
      func found(_ hours: Int?) async throws -> [Int] {
        var query = ListQuery()
        query.hours = hours
        query.limit = 2
        var seen = [Int]()
        repeat {
          let page = try await JSON(parsing: engine.registry.metrics(query, as: Engine.alice))
          seen += page["metrics"]?.array?.compactMap { $0["tasks_completed"]?.integer } ?? []
          query.cursor = page["next_cursor"]?.string
        } while query.cursor != nil
        return seen
      }
      #expect(try await found(nil) == [1, 2, 3, 4, 5])
      #expect(try await found(3) == [1, 2, 3])
    }
  }

  @Test func `the engine writes down how it is, in its turn`() async throws {
    try await Engine.with { engine in
      try await engine.upkeep().watch()
      try await engine.upkeep().watch()
      let health = try await JSON(parsing: engine.registry.health(ListQuery(), as: Engine.alice))
      let readings = health["readings"]?.array ?? []
      #expect(readings.map { $0["component"] } == ["engine"])
      #expect(readings.first?["status"] == "healthy")
      #expect(readings.first?["reading"]?["database"] == "ok")
      _ = try await engine.create([["id": "a", "tool": "noop"]])
      try await engine.database.execute("update agent_task_queue set ready_at = now() - interval '2 minutes'")
      try await engine.upkeep().recordHealth()
      let states = try await engine.database.execute("select status from system_health order by id")
      #expect(states == ["healthy", "degraded"])
    }
  }
}
