import SimplonCluster
import TestSupport
import Testing

/// What PostgreSQL itself does for callers, whatever the server sends.
@Suite(.timeLimit(.minutes(1)))
struct CallerFunctionTests {
  /// Makes a run and a ticket for it, both of one user, whose token ends after that time.
  private func issue(_ hash: String, for time: String, on database: TestDatabase) async throws {
    try await database.execute(
      """
      select set_config(
        'request.jwt.claims', '{"sub": "aaaaaaaa-0000-4000-8000-000000000001", "role": "authenticated"}', false);
      set role authenticated;
      insert into agent_runs (prompt) values ('\(hash)');
      select simplon.issue_ticket(id, '\(hash)', now() + interval '\(time)') from agent_runs where prompt = '\(hash)'
      """, as: .api)
  }

  private func isGood(_ hash: String, for run: String, on database: TestDatabase) async throws -> Bool {
    try await database.execute(
      "select t.claims from agent_runs r, simplon.redeem_ticket('\(hash)', r.id) t where r.prompt = '\(run)'",
      as: .worker
    ).count == 1
  }

  @Test func `a ticket is first used within a minute, then until its end, and for its run alone`() async throws {
    try await withTestDatabase { database in
      for hash in ["one", "two"] { try await issue(hash, for: "1 day", on: database) }
      #expect(try await !isGood("one", for: "two", on: database))
      #expect(try await isGood("one", for: "one", on: database))
      try await database.execute("update simplon.tickets set issued_at = now() - interval '61 seconds'")
      #expect(try await isGood("one", for: "one", on: database))
      #expect(try await !isGood("two", for: "two", on: database))
      try await database.execute("update simplon.tickets set expires_at = now()")
      #expect(try await !isGood("one", for: "one", on: database))
    }
  }

  @Test func `a caller who reaches the function itself gets no priority before others`() async throws {
    try await withTestDatabase { database in
      func priorities(_ role: String, as login: ClusterState.Login) async throws -> [String?] {
        let claims = #"{"sub": "aaaaaaaa-0000-4000-8000-000000000001", "role": "\#(role)"}"#
        return try await database.execute(
          """
          select set_config('request.jwt.claims', '\(claims)', false);
          set role \(role);
          select simplon.create_run(jsonb_build_object('prompt', 'x', 'priority', 100), null, null);
          select simplon.create_run(jsonb_build_object('prompt', 'x', 'priority', -5), null, null);
          select priority from agent_runs order by id desc limit 2
          """, as: login
        ).suffix(2)
      }
      let users = try await priorities("authenticated", as: .api)
      #expect(users == ["-5", "0"])
      let services = try await priorities("service_role", as: .worker)
      #expect(services == ["-5", "100"])
    }
  }

  @Test func `a ticket ends with its token, after an hour at most`() async throws {
    try await withTestDatabase { database in
      for (hash, time) in [("long", "1 day"), ("short", "10 minutes")] {
        try await issue(hash, for: time, on: database)
      }
      let minutes = try await database.execute(
        "select round(extract(epoch from expires_at - issued_at) / 60) from simplon.tickets order by hash")
      #expect(minutes == ["60", "10"])
    }
  }

  @Test func `a resume gives a failed step all its repeats again, unless its failure was let pass`() async throws {
    try await withTestDatabase { database in
      let claims = #"select set_config('request.jwt.claims', '{"role": "service_role"}', false);"#
      try await database.execute(
        """
        \(claims) insert into agent_runs (plan)
          values ('{"steps": [{"id": "a"}, {"id": "b", "continue_on_error": true}]}');
        update agent_runs set status = 'failed', completed_at = now();
        insert into agent_steps (run_id, attempt, step_id, tool, status, epoch, failures, retry_at)
          select id, 1, unnest(array['a', 'b']), 'noop', 'failed', 1, 3, '2026-01-01' from agent_runs;
        select simplon.act_on_run(id, 'resume') from agent_runs
        """)
      let steps = try await database.execute(
        "select concat_ws(' ', step_id, status, failures, retry_at::date) from agent_steps order by step_id")
      #expect(steps == ["a pending 0", "b failed 3 2026-01-01"])
    }
  }

  @Test func `a stop ends what is under way and leaves what has ended`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        """
        select set_config('request.jwt.claims', '{"role": "service_role"}', false);
        insert into agent_runs (prompt) values ('x');
        insert into agent_steps (run_id, attempt, step_id, tool, status, epoch)
          select id, 1, s, 'noop', s, 1 from agent_runs, unnest(array['completed', 'failed', 'running', 'waiting']) as s;
        select simplon.act_on_run(id, 'stop') from agent_runs
        """)
      let steps = try await database.execute(
        "select status || ' ' || (completed_at is not null) from agent_steps order by step_id")
      #expect(steps == ["completed false", "failed false", "cancelled true", "cancelled true"])
    }
  }

  @Test func `the tools that a run may use are kept`() async throws {
    try await withTestDatabase { database in
      for request in [#"{"prompt": "x", "tools": ["noop", "files"]}"#, #"{"prompt": "x"}"#] {
        try await database.execute("select simplon.create_run('\(request)', null, null)", as: .worker)
      }
      #expect(try await database.execute("select tools from agent_runs order by id") == ["{noop,files}", nil])
    }
  }

  @Test func `a run that is nobody's is no user's`() async throws {
    try await withTestDatabase { database in
      try await database.execute("insert into agent_runs (prompt) values ('x')")
      let run = try #require(try await database.execute("select id from agent_runs where user_id is null").first ?? nil)
      for call in ["act_on_run('\(run)', 'stop')", "why_run('\(run)')", "issue_ticket('\(run)', 'x', now())"] {
        await refused("SIM03", call) {
          try await database.execute(
            """
            select set_config('request.jwt.claims', '{"sub": "\(run)", "role": "authenticated"}', false);
            set role authenticated;
            select simplon.\(call)
            """, as: .api)
        }
      }
    }
  }

  @Test func `a queued run says for which worker it waits`() async throws {
    try await withTestDatabase { database in
      for _ in 0..<2 { try await database.execute("insert into agent_runs (prompt) values ('x')") }
      func why() async throws -> [String?] {
        try await database.execute(
          """
          select set_config('request.jwt.claims', '{"role": "service_role"}', false);
          select concat_ws(' ', w ->> 'code', w #>> '{details,ahead}') from (
            select simplon.why_run(id) as w from agent_runs order by id desc limit 1) r
          """)
      }
      func report(engine: Int, draining: Bool, lease: String) async throws {
        try await database.execute(
          """
          select simplon.report_worker(
            gen_random_uuid(), 'w', '0', \(engine), 1, 0, 'none', \(draining), interval '\(lease)')
          """, as: .worker)
      }
      try await report(engine: 1, draining: true, lease: "1 hour")
      try await report(engine: 1, draining: false, lease: "-1 second")
      #expect(try await why() == ["no_worker"])
      try await report(engine: 0, draining: false, lease: "1 hour")
      #expect(try await why() == ["engine_version"])
      try await report(engine: 1, draining: false, lease: "1 hour")
      #expect(try await why() == ["queued 1"])
    }
  }
}
