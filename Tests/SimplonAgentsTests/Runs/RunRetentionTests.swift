import Foundation
import SimplonCluster
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct RunRetentionTests {
  private static let day = Duration.seconds(86_400)

  private func makeRun(_ engine: Engine, endedDaysAgo days: Int) async throws -> UUID {
    let run = try await engine.create([["id": "a", "tool": "noop"]], start: false)
    try await engine.database.execute(
      """
      update agent_runs set status = 'completed', completed_at = now() - interval '\(days) days' where id = '\(run)'
      """)
    return run
  }

  private func deleteRuns(_ engine: Engine, older: String = "1 day", most: Int = 100) async throws -> [String?] {
    // It waits for nobody.
    try await engine.database.execute(
      "set lock_timeout = '5s'; select simplon.delete_runs('\(older)', \(most))", as: .worker)
  }

  /// The runs that are there, in the order in which they were made.
  private func runs(_ engine: Engine) async throws -> [UUID] {
    try await engine.database.execute("select id from agent_runs order by id").compactMap { text in
      text.flatMap(UUID.init(uuidString:))
    }
  }

  @Test func `runs that are too much for one statement go in smaller ones`() async throws {
    try await Engine.with { engine in
      for _ in 0..<10 { _ = try await makeRun(engine, endedDaysAgo: 2) }
      // Each run is as slow to delete as one with very many events.
      try await engine.database.execute(
        """
        create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return old; end';
        create trigger slow before delete on agent_runs for each row execute function slow()
        """)
      try await engine.upkeep().deleteRuns(olderThan: Self.day, batch: 10, limit: .seconds(2))
      #expect(try await runs(engine) == [])
    }
  }

  @Test func `a run past retention goes with all that is its own, whoever made it`() async throws {
    try await Engine.with { engine in
      let request = try CreateRun(json: ["prompt": "x", "start": false])
      var keyed = [UUID]()
      for caller in [Engine.alice, Engine.bob] {
        keyed.append(try await engine.runs.create(request, idempotencyKey: "k", as: caller).runID)
        _ = try await engine.runs.issueTicket(for: keyed[keyed.count - 1], as: caller)
      }
      let kept = try await makeRun(engine, endedDaysAgo: 0)
      try await engine.database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, user_id, tool, status, epoch)
          select id, 1, 'a', user_id, 'noop', 'completed', 1 from agent_runs;
        insert into agent_messages (run_id, position, user_id, attempt, role, content)
          select id, 1, user_id, 1, 'user', '{}' from agent_runs;
        insert into agent_artifacts (run_id, attempt, user_id, path, size, mime, sha256)
          select id, 1, user_id, 'a', 0, 'text/plain', repeat('0', 64) from agent_runs;
        insert into agent_run_connectors (run_id, name, user_id) select id, 'c', user_id from agent_runs;
        insert into execution_snapshots (run_id, user_id, attempt, status, position, steps, layers)
          select id, user_id, 1, status, 0, '{}', '{}' from agent_runs;
        insert into agent_executions (task_id, agent_type, task_type, user_id, run_id)
          select id::text, 'general', 't', user_id, id from agent_runs;
        insert into workflow_executions (workflow_name, version, run_id, user_id, status)
          select 'w', 1, id, user_id, status from agent_runs;
        update agent_runs set status = 'failed', completed_at = now() - interval '25 hours' where prompt is not null
        """)
      let tables = try await engine.database.execute(
        """
        select a.attrelid::regclass from pg_attribute a join pg_class c on c.oid = a.attrelid
        where a.attname = 'run_id' and c.relkind in ('r', 'p') and not c.relispartition
          and c.relnamespace in ('public'::regnamespace, 'simplon'::regnamespace)
          -- What was spent and what webhooks were told are no run's.
          and c.relname <> all (array['agent_task_queue', 'agent_model_calls', 'agent_webhook_deliveries'])
        order by 1::text
        """
      ).compactMap { $0 }
      #expect(tables.count == 10)
      func count(_ table: String, of run: UUID) async throws -> [String?] {
        try await engine.database.execute("select count(*) from \(table) where run_id = '\(run)'")
      }
      for table in tables { #expect(try await count(table, of: keyed[0]) == ["1"], "\(table)") }

      #expect(try await deleteRuns(engine) == ["2"])
      #expect(try await runs(engine) == [kept])
      for table in tables {
        for run in keyed { #expect(try await count(table, of: run) == ["0"], "\(table)") }
        #expect(try await count(table, of: kept) == [table.hasSuffix("tickets") ? "0" : "1"], "\(table)")
      }
      // What is shared with others stays, and the key is free.
      #expect(try await engine.database.execute("select count(*) from agent_executions where run_id is null") == ["2"])
      #expect(try await engine.runs.create(request, idempotencyKey: "k", as: Engine.alice).isNew)
    }
  }

  @Test func `a deleted run is answered as one that never was`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(engine, endedDaysAgo: 2)
      let (ticket, _) = try await engine.runs.issueTicket(for: run, as: Engine.alice)
      try await engine.upkeep(runRetention: Self.day).run()
      func refused(_ code: SimplonError.Code, _ what: String, _ body: () async throws -> Void) async {
        let error = await #expect(throws: SimplonError.self, "\(what)") { try await body() }
        #expect(error?.code == code, "\(what)")
      }
      let runs = engine.runs
      await refused(.runNotFound, "status") { _ = try await engine.status(run) }
      await refused(.runNotFound, "why") { _ = try await runs.why(run, as: Engine.alice) }
      await refused(.runNotFound, "logs") {
        _ = try await runs.logs(of: run, after: 0, limit: 1, level: nil, as: Engine.alice)
      }
      await refused(.runNotFound, "stream") { _ = try await runs.authorizeStream(of: run, after: 0, as: Engine.alice) }
      await refused(.runNotFound, "ticket") { _ = try await runs.issueTicket(for: run, as: Engine.alice) }
      await refused(.authTicket, "old ticket") { _ = try await runs.redeemTicket(ticket, for: run) }
      for action in RunAction.allCases {
        await refused(.runNotFound, action.rawValue) { _ = try await runs.act(action, on: run, as: Engine.alice) }
      }
    }
  }

  @Test func `a run that goes on is kept however old it is, and so is one that ended lately`() async throws {
    try await Engine.with { engine in
      for status in ["pending", "queued", "running", "waiting", "retrying"] {
        let run = try await engine.create([["id": "a", "tool": "noop"]], start: status != "pending")
        try await engine.database.execute(
          """
          update agent_runs set status = '\(status)', created_at = now() - interval '9 years',
            reason = case when '\(status)' in ('waiting', 'retrying') then '{}'::jsonb end where id = '\(run)'
          """)
      }
      _ = try await makeRun(engine, endedDaysAgo: 29)
      _ = try await makeRun(engine, endedDaysAgo: 31)
      let before = try await runs(engine)
      try await engine.upkeep().run()
      #expect(try await runs(engine) == before)
      try await engine.upkeep(runRetention: Self.day * 30).run()
      #expect(try await runs(engine) == before.dropLast())
      #expect(try await engine.database.execute("select count(distinct run_id) from agent_task_logs") == ["6"])
    }
  }

  @Test func `a statement deletes so many and no more, and a worker goes on until none is left, when it has its turn`()
    async throws
  {
    try await Engine.with { engine in
      var made = [UUID]()
      for days in [3, 9, 5, 7, 4] { made.append(try await makeRun(engine, endedDaysAgo: days)) }
      #expect(try await deleteRuns(engine, most: 2) == ["2"])
      #expect(try await runs(engine) == [made[0], made[2], made[4]])
      let upkeep = engine.upkeep()
      try await upkeep.deleteRuns(olderThan: Self.day, batch: 2)
      #expect(try await runs(engine) == [])

      made = [try await makeRun(engine, endedDaysAgo: 3)]
      try await upkeep.deleteRuns(olderThan: Self.day)
      #expect(try await runs(engine) == made)
      try await engine.database.execute("delete from simplon.settings where name like 'turn:%'")
      try await upkeep.deleteRuns(olderThan: Self.day)
      #expect(try await runs(engine) == [])
    }
  }

  @Test func `a retry that has begun keeps its run, and the deletion waits for nobody`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(engine, endedDaysAgo: 2)
      try await engine.admin.withTransaction(retries: 0) { connection in
        try await connection.query("select set_config('request.jwt.claims', \(Engine.alice.claimsText), true)")
        try await connection.query("select simplon.act_on_run(\(run), 'retry')")
        #expect(try await deleteRuns(engine) == ["0"])
      }
      #expect(try await deleteRuns(engine) == ["0"])
      #expect(try await engine.status(run)["status"] == "queued")
    }
  }

  @Test func `whoever comes while a run is being deleted is told that there is none`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(engine, endedDaysAgo: 2)
      try await withThrowingTaskGroup { group in
        try await engine.admin.withTransaction(retries: 0) { connection in
          let deleted = try await connection.query("select simplon.delete_runs('1 day', 9)").first?.decode(Int32.self)
          #expect(deleted == 1)
          for action in [RunAction.retry, .stop] {
            group.addTask {
              let error = await #expect(throws: SimplonError.self) {
                try await engine.runs.act(action, on: run, as: Engine.alice)
              }
              #expect(error?.code == .runNotFound)
            }
          }
          group.addTask {
            let error = await #expect(throws: SimplonError.self) {
              try await engine.runs.issueTicket(for: run, as: Engine.alice)
            }
            #expect(error?.code == .runNotFound)
          }
          try await engine.waitUntilBlocked(3)
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `a key whose run is deleted while it is looked up makes a new run`() async throws {
    try await Engine.with { engine in
      let request = try CreateRun(json: ["prompt": "x", "start": false])
      let old = try await engine.runs.create(request, idempotencyKey: "k", as: Engine.alice).runID
      try await engine.database.execute(
        """
        update agent_runs set status = 'failed', completed_at = now() - interval '2 days';
        -- Stops between the insert that finds the key taken and the look at whose it is.
        create function simplon.pause() returns trigger language plpgsql security definer as $$
          begin perform pg_advisory_xact_lock(7); return null; end $$;
        create trigger pause after insert on agent_runs for each statement execute function simplon.pause()
        """)
      try await withThrowingTaskGroup(of: RunReceipt.self) { group in
        try await engine.admin.withTransaction(retries: 0) { connection in
          try await connection.query("select pg_advisory_xact_lock(7)")
          group.addTask { try await engine.runs.create(request, idempotencyKey: "k", as: Engine.alice) }
          try await engine.waitUntilBlocked(1)
          #expect(try await deleteRuns(engine) == ["1"])
        }
        let receipt = try #require(try await group.next())
        #expect(receipt.isNew && receipt.runID != old)
      }
    }
  }

  @Test func `a run that came from a deleted one stays, and forgets it`() async throws {
    try await Engine.with { engine in
      let old = try await makeRun(engine, endedDaysAgo: 2)
      let child = try await engine.create([["id": "a", "tool": "noop"]])
      try await engine.database.execute(
        "update agent_runs set parent_id = '\(old)', forked_from = '\(old)' where id = '\(child)'")
      #expect(try await deleteRuns(engine) == ["1"])
      let left = try await engine.database.execute("select num_nulls(parent_id, forked_from) from agent_runs")
      #expect(left == ["2"])
    }
  }
}
