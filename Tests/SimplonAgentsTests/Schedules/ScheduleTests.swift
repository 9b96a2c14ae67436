import FoundationEssentials
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct ScheduleTests {
  private static let plan: JSON = ["steps": [["id": "only", "tool": "noop"]]]

  @discardableResult
  private func save(
    _ engine: Engine, as caller: Principal = Engine.alice, _ more: [String: JSON] = [:]
  ) async throws -> JSON {
    let usual: [String: JSON] = ["name": "s", "every": "10m", "run": ["plan": Self.plan]]
    let body = JSON.object(usual.merging(more) { _, new in new })
    return try await JSON(parsing: engine.registry.save(ScheduleRequest(json: body, isNew: true), as: caller))
  }

  private func schedule(_ engine: Engine) async throws -> JSON {
    try await JSON(parsing: engine.registry.schedule("s", as: Engine.alice))
  }

  /// Makes it due now.
  private func makeDue(_ engine: Engine) async throws {
    try await engine.database.execute(
      """
      update agent_schedules set created_at = now() - interval '65 minutes', next_due = date_trunc('second', now())
      """)
  }

  private func count(_ engine: Engine) async throws -> [String?] {
    try await engine.database.execute("select count(*) from agent_runs")
  }

  @Test func `a schedule's runs are limited to the connectors that it names`() async throws {
    try await Engine.with { engine in
      try await save(engine, ["run": ["plan": Self.plan, "connectors": ["crm"]]])
      try await makeDue(engine)
      #expect(try await engine.upkeep().fireSchedules() == 1)
      #expect(try await engine.database.execute("select name from agent_run_connectors") == ["crm"])
    }
  }

  @Test func `a time that is due makes one run of the owner's, however many workers look`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      #expect(try await engine.upkeep().fireSchedules() == 0)
      try await makeDue(engine)
      let made = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<8 { group.addTask { try await engine.upkeep().fireSchedules() } }
        return try await group.reduce(0, +)
      }
      #expect(made == 1)
      let run = try await engine.database.execute(
        """
        select concat_ws(' ', user_id, owner_claims ->> 'role', status, metadata #>> '{schedule,name}',
          idempotency_key = 'schedule:' || s.id || ':'
            || to_char(s.last_due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), s.last_run = r.id,
          s.next_due > now())
        from agent_runs r, (select id, last_due, last_run, next_due from agent_schedules) s
        """)
      let person = try #require(Engine.alice.subject).uuidString.lowercased()
      #expect(run == ["\(person) authenticated queued s t t t"])
      let audit = try await engine.database.execute(
        "select actor_id from observability_events where event = 'run.created'")
      #expect(audit == [person])
    }
  }

  @Test func `a worker makes the run and does it`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      try await makeDue(engine)
      try await engine.withWorker {
        while try await count(engine) == ["0"] { await Task.yield() }
        let rows = try await engine.database.execute("select id from agent_runs")
        let run = try #require(rows.first ?? nil)
        _ = try await engine.follow(#require(UUID(uuidString: run)))
      }
      #expect(try await engine.database.execute("select status from agent_runs") == ["completed"])
    }
  }

  @Test(arguments: [("skip", "0"), ("once", "1"), ("all", "3")])
  func `what was missed is made up by policy`(_ policy: String, _ runs: String) async throws {
    try await Engine.with { engine in
      try await save(engine, ["missed": .string(policy), "overlap": "allow"])
      // Due 25, 15 and 5 minutes ago.
      try await engine.database.execute(
        """
        update agent_schedules set created_at = now() - interval '35 minutes', next_due = now() - interval '25 minutes'
        """)
      _ = try await engine.upkeep().fireSchedules()
      #expect(try await count(engine) == [runs])
      let next = try await engine.database.execute(
        "select next_due between now() and now() + interval '10 minutes' from agent_schedules")
      #expect(next == ["t"])
    }
  }

  @Test func `of very many that were missed, a hundred are made up`() async throws {
    try await Engine.with { engine in
      try await save(engine, ["missed": "all", "overlap": "allow"])
      try await engine.database.execute(
        """
        update agent_schedules set created_at = now() - interval '1505 minutes', next_due = now() - interval '24 hours'
        """)
      while try await engine.upkeep().fireSchedules() > 0 {}
      #expect(try await count(engine) == ["100"])
      #expect(try await engine.database.execute("select next_due > now() from agent_schedules") == ["t"])
    }
  }

  @Test(arguments: [("skip", ["queued"]), ("allow", ["queued", "queued"]), ("replace", ["cancelled", "queued"])])
  func `a run that has not ended is minded by policy`(_ policy: String, _ statuses: [String]) async throws {
    try await Engine.with { engine in
      try await save(engine, ["overlap": .string(policy)])
      try await makeDue(engine)
      _ = try await engine.upkeep().fireSchedules()
      try await engine.database.execute("update agent_schedules set next_due = now() - interval '30 seconds'")
      _ = try await engine.upkeep().fireSchedules()
      let found = try await engine.database.execute("select status from agent_runs order by created_at")
      #expect(found == statuses.map(Optional.some))
      #expect(try await schedule(engine)["last_error"]?["code"]?.string == (policy == "skip" ? "run.state" : nil))
    }
  }

  @Test func `a workflow that no longer fits, or is gone, is told, and the next time comes`() async throws {
    try await Engine.with { engine in
      let workflow: JSON = ["name": "w", "plan": Self.plan, "inputs": ["properties": ["a": ["default": 1]]]]
      _ = try await engine.registry.save(WorkflowRequest(json: workflow, isNew: true), as: Engine.alice)
      try await save(engine, ["run": ["workflow": "w"], "overlap": "allow"])
      try await makeDue(engine)
      #expect(try await engine.upkeep().fireSchedules() == 1)
      let inputs = try await engine.database.execute("select metadata -> 'inputs' from agent_runs")
      #expect(inputs == [#"{"a": 1}"#])
      let change: JSON = ["inputs": ["required": ["b"]]]
      _ = try await engine.registry.change("w", WorkflowRequest(json: change, isNew: false), as: Engine.alice)
      for code in ["workflow.input", "workflow.not_found"] {
        try await makeDue(engine)
        #expect(try await engine.upkeep().fireSchedules() == 0)
        let told = try await schedule(engine)
        #expect(told["last_error"]?["code"]?.string == code && told["next_due"]?.string != nil)
        if code == "workflow.input" { try await engine.registry.deleteWorkflow("w", as: Engine.alice) }
      }
      #expect(try await engine.database.execute("select next_due > now() from agent_schedules") == ["t"])
    }
  }

  @Test func `where too many runs are queued none is made, which is told, and the next time comes`() async throws {
    try await Engine.with { engine in
      try await save(engine, ["overlap": "allow"])
      _ = try await engine.create([["id": "a", "tool": "noop"]])
      try await makeDue(engine)
      #expect(try await engine.upkeep(intake: IntakeLimits(perUser: 1)).fireSchedules() == 0)
      let told = try await schedule(engine)
      #expect(told["last_error"]?["code"]?.string == "run.queue_full" && told["last_run"]?.isNull == true)
      #expect(try await engine.database.execute("select next_due > now() from agent_schedules") == ["t"])
    }
  }

  @Test(
    arguments: [
      (#"'{"budget": {"deadline": "2099-01-01T00:00:00+23:59"}}'"#, "database.query"),
      ("jsonb_build_object('metadata', jsonb_build_object('a', repeat('x', 600000)))", "request.invalid"),
    ])
  func `one that the database refuses is told of it, and the others have their turn`(_ run: String, _ code: String)
    async throws
  {
    try await Engine.with { engine in
      try await makeDue(engine, firstWith: run)
      #expect(try await engine.upkeep().fireSchedules() == 1)
      let told = try await schedule(engine)
      #expect(told["last_error"]?["code"]?.string == code && told["last_run"]?.isNull == true)
      #expect(try await engine.database.execute("select bool_and(next_due > now()) from agent_schedules") == ["t"])
    }
  }

  /// Two schedules are due, that of Alice first, with this SQL added to its run.
  private func makeDue(_ engine: Engine, firstWith run: String) async throws {
    try await save(engine)
    try await save(engine, as: Engine.bob)
    try await makeDue(engine)
    let person = try #require(Engine.alice.subject).uuidString
    try await engine.database.execute(
      """
      update agent_schedules set run = run || \(run), next_due = next_due - interval '1 second'
      where user_id = '\(person)'
      """)
  }

  @Test func `one that cannot be read is told of it, and the others have their turn`() async throws {
    try await Engine.with { engine in
      try await makeDue(engine, firstWith: #"'{"inputs": {"n": 1e2000}}'"#)
      #expect(try await engine.upkeep().fireSchedules() == 1)
      let told = try await engine.database.execute(
        "select bool_and(next_due > now()) || ' ' || string_agg(last_error ->> 'code', '') from agent_schedules")
      #expect(told == ["true request.invalid"])
    }
  }

  @Test func `what may go better later is tried again, and the others have their turn`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      try await save(engine, as: Engine.bob)
      try await makeDue(engine)
      let person = try #require(Engine.alice.subject).uuidString
      try await engine.database.execute(
        """
        update agent_schedules set next_due = next_due - interval '1 second' where user_id = '\(person)';
        create function clash() returns trigger language plpgsql as
          $$ begin raise exception 'clash' using errcode = '40001'; end $$;
        create trigger clash after insert on agent_runs for each row when (new.user_id = '\(person)')
          execute function clash()
        """)
      await expectError(.databaseConflict) { _ = try await engine.upkeep().fireSchedules() }
      #expect(try await count(engine) == ["1"])
      try await engine.database.execute("drop trigger clash on agent_runs")
      #expect(try await engine.upkeep().fireSchedules() == 1)
    }
  }

  @Test func `what can be no schedule is refused`() async throws {
    try await Engine.with { engine in
      for more: [String: JSON] in [
        ["cron": "0 0 31 2 *", "every": nil], ["time_zone": "Mars/Olympus"], ["time_zone": "EST5FOO"], ["every": "9s"],
        ["time_zone": "Foo/Bar+5"], ["every": "366d"], ["every": "soon"], ["every": nil], ["cron": "* * * * *"],
        ["missed": "some"], ["run": nil],
        ["run": ["plan": Self.plan, "start": false]], ["ends_at": "2020-01-01T00:00:00Z"], ["starts_at": "tomorrow"],
        ["run": [:]],
        ["missed": "all"], ["missed": "all", "overlap": "replace"],
        ["ends_at": "2099-01-01T00:00:00+16:00"],
        ["run": ["plan": Self.plan, "budget": ["deadline": "2099-01-01T00:00:00+23:59"]]],
      ] {
        await expectError(.requestInvalid) { _ = try await save(engine, more) }
      }
      await expectError(.planInvalid) { _ = try await save(engine, ["run": ["plan": [:]]]) }
      await expectError(.workflowNotFound) { _ = try await save(engine, ["run": ["workflow": "w"]]) }
      await expectError(.authForbidden) {
        _ = try await save(engine, as: Principal(role: .anon, source: .key), ["run": ["workflow": "w"]])
      }
      await expectError(.requestUnknownField) { _ = try await save(engine, ["when": "now"]) }
      #expect(try await engine.database.execute("select count(*) from agent_schedules") == ["0"])
      try await save(engine)
      await expectError(.requestExists) { _ = try await save(engine) }
      await expectError(.requestInvalid) {
        let change = try ScheduleRequest(json: ["missed": "all"], isNew: false)
        _ = try await engine.registry.change("s", change, as: Engine.alice)
      }
      try await save(engine, as: Engine.bob)
      await expectError(.scheduleNotFound) { _ = try await engine.registry.schedule("t", as: Engine.alice) }
    }
  }

  @Test func `a schedule rests, changes its rhythm and is deleted`() async throws {
    try await Engine.with { engine in
      try await save(engine, ["starts_at": "2099-01-01T00:00:00Z"])
      #expect(try await schedule(engine)["next_due"]?.string?.hasPrefix("2099-01-01T00:00:00") == true)
      func change(_ json: JSON) async throws -> JSON {
        try await JSON(
          parsing: engine.registry.change("s", ScheduleRequest(json: json, isNew: false), as: Engine.alice))
      }
      let cron = try await change(["cron": "30 6 * * *", "time_zone": "Europe/Zurich"])
      #expect(cron["every"]?.isNull == true && cron["cron"] == "30 6 * * *")
      #expect(cron["next_due"]?.string?.hasPrefix("2099-01-01T05:30:00") == true)
      let resting = try await change(["enabled": false])
      #expect(resting["next_due"]?.isNull == true)
      try await engine.database.execute("update agent_schedules set next_due = now()")
      #expect(try await engine.upkeep().fireSchedules() == 0)
      try await engine.registry.deleteSchedule("s", as: Engine.alice)
      await expectError(.scheduleNotFound) { try await engine.registry.deleteSchedule("s", as: Engine.alice) }
    }
  }
}
