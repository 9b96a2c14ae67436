import SimplonCluster
import TestSupport
import Testing

/// What PostgreSQL itself gives a worker and refuses it, whatever that worker believes.
@Suite(.timeLimit(.minutes(1)))
struct WorkerFunctionTests {
  /// A way in which a worker does not hold the run that it writes to.
  enum Fault: String, CaseIterable {
    case olderEpoch, newerEpoch, smallerBase, largerBase, released
  }

  @Test(arguments: Fault.allCases)
  func `a write is refused by its epoch, its base and the end of the lease, each by itself`(_ fault: Fault) async throws
  {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      try await database.execute("select from simplon.claim_runs(gen_random_uuid(), 1, '1 hour', 1)", as: .worker)
      if fault == .released {
        try await database.execute("update simplon.run_state set worker = null, lease_until = null")
      }
      let epoch = "epoch" + (fault == .olderEpoch ? " - 1" : fault == .newerEpoch ? " + 1" : "")
      let base = "next_seq" + (fault == .smallerBase ? " - 1" : fault == .largerBase ? " + 1" : "")
      func settle(_ epoch: String, _ base: String) async throws -> Int {
        try await database.execute(
          """
          select w.run_id from simplon.run_state s, simplon.settle_steps(jsonb_build_array(jsonb_build_object(
            'run_id', s.run_id, 'epoch', s.\(epoch), 'base', s.\(base), 'attempt', 1,
            'steps', '[{"step_id": "a", "position": 1, "tool": "noop", "status": "completed", "effect": "settled"}]'::jsonb,
            'events', '[{"kind": "log", "payload": {}}]'::jsonb, 'outcome', '{"status": "completed"}'::jsonb))) w
          """, as: .worker
        ).count
      }
      #expect(try await settle(epoch, base) == 0)
      await refused("SIM01", fault.rawValue) {
        try await database.execute(
          """
          select simplon.append_lines(
            run_id, \(epoch), \(base), '{info}', '{a}', '{stdout}', '{late}', '{false}')
          from simplon.run_state
          """, as: .worker)
      }
      #expect(try await database.execute("select count(*) from agent_steps") == ["0"])
      #expect(try await database.execute("select count(*) from agent_task_logs") == ["2"])
      #expect(try await database.execute("select status from agent_runs") == ["running"])
      // Who does hold it is not refused.
      if fault != .released { #expect(try await settle("epoch", "next_seq") == 1) }
    }
  }

  @Test func `a lease that has run out, or that another worker has, is not renewed`() async throws {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      try await database.execute("select from simplon.claim_runs(gen_random_uuid(), 1, '1 hour', 1)", as: .worker)
      func renewed(by worker: String) async throws -> Int {
        try await database.execute(
          "select s.run_id from simplon.run_state s, simplon.renew_leases(\(worker), array[s.run_id], '1 hour')",
          as: .worker
        ).count
      }
      #expect(try await renewed(by: "gen_random_uuid()") == 0)
      #expect(try await renewed(by: "s.worker") == 1)
      // Nobody has put the run back into the queue yet.
      try await database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
      #expect(try await renewed(by: "s.worker") == 0)
    }
  }

  @Test func `runs are claimed by priority and age, once their time has come and by whoever knows them`() async throws {
    try await withTestDatabase { database in
      for name in ["old", "young", "urgent", "later", "newer"] {
        try await database.execute("insert into agent_runs (prompt) values ('\(name)')")
      }
      try await database.execute(
        """
        update agent_task_queue q set
          priority = (r.prompt = 'urgent')::integer, engine_version = 1 + (r.prompt = 'newer')::integer,
          ready_at = now() + case r.prompt when 'old' then '-2 hours' when 'later' then '1 hour' else '-1 hour' end::interval
        from agent_runs r where r.id = q.run_id
        """)
      func claim() async throws -> String {
        let prompt = try await database.execute(
          "select prompt from simplon.claim_runs(gen_random_uuid(), 1, '1 hour', 1)", as: .worker)
        return (prompt.first ?? nil) ?? "none"
      }
      var claimed = [String]()
      for _ in 0..<4 { claimed.append(try await claim()) }
      #expect(claimed == ["urgent", "old", "young", "none"])
    }
  }

  @Test func `a run comes back when its lease has run out, once and not before`() async throws {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      try await database.execute("select from simplon.claim_runs(gen_random_uuid(), 1, '1 minute', 1)", as: .worker)
      func recovered() async throws -> Int {
        try await database.execute("select * from simplon.recover_runs()", as: .worker).count
      }
      #expect(try await recovered() == 0)
      try await database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
      #expect(try await recovered() == 1)
      #expect(try await recovered() == 0)
      #expect(try await database.execute("select status from agent_runs") == ["queued"])
      #expect(try await database.execute("select count(*) from agent_task_queue") == ["1"])
      let event = try await database.execute(
        "select level || ' ' || (payload ->> 'cause') from agent_task_logs order by seq desc limit 1")
      #expect(event == ["warn lease_lost"])
    }
  }

  @Test func `a run that is handed back waits as it was told, and keeps when it and its steps began`() async throws {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      func claim() async throws {
        try await database.execute("select from simplon.claim_runs(gen_random_uuid(), 1, '1 hour', 1)", as: .worker)
      }
      func settle(_ status: String, _ outcome: String) async throws {
        try await database.execute(
          """
          select w.run_id from simplon.run_state s, simplon.settle_steps(jsonb_build_array(jsonb_build_object(
            'run_id', s.run_id, 'epoch', s.epoch, 'base', s.next_seq, 'attempt', 1, 'outcome', '\(outcome)'::jsonb,
            'steps', '[{"step_id": "a", "position": 1, "tool": "noop", "status": "\(status)", "effect": "none"}]'::jsonb))) w
          """, as: .worker)
      }
      let started = """
        select r.started_at || ' ' || s.started_at from agent_runs r join agent_steps s on s.run_id = r.id
        """
      try await claim()
      try await settle("running", #"{"status": "running", "hold": true}"#)
      let before = try await database.execute(started)
      try await settle("waiting", #"{"status": "retrying", "reason": {}, "ready_in_ms": 60000}"#)
      let wait = try await database.execute(
        "select round(extract(epoch from ready_at - now())) between 50 and 60 from agent_task_queue")
      #expect(wait == ["t"])
      try await database.execute("update agent_task_queue set ready_at = now()")
      try await claim()
      #expect(before.count == 1 && before[0] != nil)
      #expect(try await database.execute(started) == before)
    }
  }

  @Test func `a day after its end a worker's or a ticket's row goes, and a worker that leaves takes only its own`()
    async throws
  {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      try await database.execute(
        """
        insert into simplon.tickets (hash, run_id, claims, expires_at)
          select h::bytea, id, '{}', now() - h::interval from agent_runs, unnest(array['25 hours', '23 hours']) as h;
        insert into simplon.workers (id, name, version, engine_version, slots, sandbox, alive_until)
          select gen_random_uuid(), h, '0', 1, 1, 'none', now() - h::interval
          from unnest(array['25 hours', '23 hours', '22 hours']) as h
        """)
      let left = """
        select 'ticket ' || encode(hash, 'escape') from simplon.tickets union all
        select 'worker ' || name from simplon.workers order by 1
        """
      try await database.execute("select simplon.sweep()", as: .worker)
      #expect(try await database.execute(left) == ["ticket 23 hours", "worker 22 hours", "worker 23 hours"])
      try await database.execute(
        "select simplon.retire_worker(id) from simplon.workers where name = '23 hours'", as: .worker)
      #expect(try await database.execute(left) == ["ticket 23 hours", "worker 22 hours"])
    }
  }

  @Test func `a turn comes once in a while, and when the clock was set back`() async throws {
    try await withTestDatabase { database in
      func turn() async throws -> [String?] {
        try await database.execute("select simplon.take_turn('t', '1 hour')", as: .worker)
      }
      #expect(try await turn() == ["t"])
      #expect(try await turn() == ["f"])
      for since in ["- interval '1 hour'", "+ interval '1 year'"] {
        try await database.execute(
          "update simplon.settings set value = (clock_timestamp() \(since))::text where name = 'turn:t'")
        #expect(try await turn() == ["t"], "\(since)")
        #expect(try await turn() == ["f"], "\(since)")
      }
    }
  }

  @Test func `a fact of the database is settled once`() async throws {
    try await withTestDatabase { database in
      for value in ["first", "second"] {
        let settled = try await database.execute("select simplon.settle_setting('f', '\(value)')", as: .worker)
        #expect(settled == ["first"])
      }
      #expect(try await database.execute("select value from simplon.settings where name = 'f'") == ["first"])
    }
  }
}
