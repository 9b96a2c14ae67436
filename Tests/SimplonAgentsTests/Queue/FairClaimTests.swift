import Foundation
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// Whose run is claimed next.
@Suite(.timeLimit(.minutes(2)))
struct FairClaimTests {
  private let plan = #"{"steps": [{"id": "a", "tool": "noop"}]}"#
  private let alice = UUID()
  private let bob = UUID()
  private let carol = UUID()

  private func queue(_ count: Int, for user: UUID, priority: Int = 0, on engine: Engine) async throws {
    try await engine.database.execute(
      """
      insert into agent_runs (user_id, plan, priority)
      select '\(user)', '\(plan)', \(priority) from generate_series(1, \(count))
      """)
  }

  /// Claims runs; gives how many of each user's.
  private func claim(_ slots: Int, on engine: Engine) async throws -> [UUID: Int] {
    let claims = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: slots)
    return claims.reduce(into: [:]) { counts, claim in
      if let user = claim.userID { counts[user, default: 0] += 1 }
    }
  }

  @Test func `with 10,000 runs of one user queued, each new run of another is claimed within two times the slots`()
    async throws
  {
    try await Engine.with { engine in
      try await queue(10_000, for: alice, on: engine)
      for _ in 0..<20 {
        try await queue(1, for: bob, on: engine)
        let first = try await claim(4, on: engine)
        let second = try await claim(4, on: engine)
        #expect((first[bob] ?? 0) + (second[bob] ?? 0) == 1)
        #expect((first[alice] ?? 0) + (second[alice] ?? 0) == 7)
      }
    }
  }

  @Test func `users take turns, and each one's runs go oldest first`() async throws {
    try await Engine.with { engine in
      for user in [alice, bob, carol] { try await queue(20, for: user, on: engine) }
      #expect(try await claim(30, on: engine) == [alice: 10, bob: 10, carol: 10])
      let isInOrder = try await engine.database.execute(
        """
        select bool_and(claimed.last < waiting.first) from
          (select r.user_id, max(r.created_at) as last from agent_runs r where r.status = 'running' group by 1) claimed
          join (select r.user_id, min(r.created_at) as first from agent_runs r where r.status = 'queued' group by 1) waiting
            using (user_id)
        """)
      #expect(isInOrder == ["t"])
    }
  }

  @Test func `who has runs at work stands back, and who has used most of late counts four times`() async throws {
    try await Engine.with { engine in
      try await queue(12, for: alice, on: engine)
      #expect(try await claim(10, on: engine) == [alice: 10])
      try await queue(12, for: bob, on: engine)
      // Bob catches up; what is left is shared.
      #expect(try await claim(12, on: engine) == [bob: 11, alice: 1])

      try await engine.database.execute("delete from agent_runs")
      try await engine.queue.charge([alice: 1000])
      for user in [alice, bob] { try await queue(100, for: user, on: engine) }
      #expect(try await claim(50, on: engine) == [alice: 10, bob: 40])
    }
  }

  @Test func `what was used is forgotten by halves`() async throws {
    try await Engine.with { engine in
      try await engine.queue.charge([alice: 100, nil: 5])
      try await engine.database.execute("update simplon.recent_use set at = at - interval '10 minutes'")
      try await engine.queue.charge([alice: 1])
      let units = try await engine.database.execute(
        "select round(units::numeric, 1) from simplon.recent_use order by units")
      #expect(units == ["5.0", "51.0"])
      // What is years old is nothing, and no error.
      try await engine.database.execute("update simplon.recent_use set at = at - interval '9 years'")
      try await engine.queue.charge([alice: 1])
      try await engine.client.query("select simplon.forget_use()")
      #expect(try await engine.database.execute("select round(units::numeric, 3) from simplon.recent_use") == ["1.000"])
    }
  }

  @Test func `a priority goes before all turns`() async throws {
    try await Engine.with { engine in
      try await queue(30, for: alice, on: engine)
      try await queue(6, for: bob, priority: 5, on: engine)
      try await queue(6, for: carol, priority: -5, on: engine)
      #expect(try await claim(5, on: engine) == [bob: 5])
      #expect(try await claim(32, on: engine) == [bob: 1, alice: 30, carol: 1])
    }
  }

  @Test func `a claim's answer holds 16 MiB of plans at most, and what does not fit is next`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, plan)
        select '\(alice)', jsonb_build_object('x', repeat('x', 7340032)) from generate_series(1, 3);
        """)
      // What comes after a large one does not pass it by, whatever its priority.
      try await queue(2, for: alice, priority: -1, on: engine)
      func claim() async throws -> [ClaimedRun] {
        try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 64)
      }
      let first = try await claim()
      #expect(first.map { $0.plan?.utf8.count } == [7_340_041, 7_340_041])
      #expect(QueueStore.mayHaveLeft(first, slots: 64))
      let second = try await claim()
      #expect(second.count == 3)
      #expect(!QueueStore.mayHaveLeft(second.filter { $0.size < 1000 }, slots: 64))
      #expect(QueueStore.mayHaveLeft(second, slots: 3))
      #expect(try await claim().isEmpty)
      #expect(try await engine.database.execute("select count(*) from agent_task_queue") == ["0"])
    }
  }

  @Test func `runs that wait out a backoff, however many users', hide none that is ready`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, plan) select gen_random_uuid(), '\(plan)' from generate_series(1, 3000);
        update agent_task_queue set ready_at = now() + interval '1 hour'
        """)
      try await queue(1, for: bob, on: engine)
      #expect(try await claim(1, on: engine) == [bob: 1])
      #expect(try await claim(1, on: engine) == [:])
    }
  }

  @Test func `eight workers claim everything once`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, plan)
        select ('00000000-0000-4000-8000-' || lpad((n % 20)::text, 12, '0'))::uuid, '\(plan)' from generate_series(1, 400) n
        """)
      let claimed = try await withThrowingTaskGroup(of: [UUID].self) { group in
        for _ in 0..<8 {
          group.addTask {
            var mine = [UUID]()
            while true {
              let more = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 7).map(\.held.id)
              mine += more
              guard more.isEmpty else { continue }
              let left = try await engine.client.query("select count(*) from agent_task_queue").first
              if try left?.decode(Int64.self) == 0 { return mine }
            }
          }
        }
        return try await group.reduce(into: [UUID]()) { $0 += $1 }
      }
      #expect(claimed.count == 400)
      #expect(Set(claimed).count == 400)
    }
  }

  @Test(arguments: [1, 5000]) func `a claim reads no more than it takes, however long the queue is`(_ users: Int)
    async throws
  {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, plan)
        select ('00000000-0000-4000-8000-' || lpad((n % \(users))::text, 12, '0'))::uuid, '\(plan)'
        from generate_series(1, 20000) n;
        analyze agent_task_queue; analyze simplon.run_state; analyze agent_runs
        """)
      _ = try await claim(8, on: engine)
      // A worker reads the queue on the connections of its claims, too, and may not execute what the claim's function may.
      let explained = try await engine.database.execute(
        """
        set role service_role;
        select count(*) from agent_task_queue q join simplon.run_state s using (run_id);
        reset role;
        explain (analyze, buffers, format json)
        select * from simplon.claim_runs(gen_random_uuid(), 1, '1 minute', 8)
        """)
      let text = explained.compactMap(\.self).joined(separator: "\n")
      let top = try JSON(parsing: text).array?.first?["Plan"]
      #expect(top?["Actual Rows"]?.double == 8)
      // One row of the queue each would be 20,000.
      let blocks = try #require(top?["Shared Hit Blocks"]?.integer)
      #expect(blocks < 10_000)
    }
  }

  @Test func `a worker tells what its runs have used`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await engine.create([["id": "a", "tool": "noop"], ["id": "b", "tool": "noop"]])
        _ = try await engine.follow(run)
        var units = 0.0
        while units < 2 {
          let rows = try await engine.admin.query("select coalesce(sum(units), 0)::float8 from simplon.recent_use")
          units = try rows.first?.decode(Double.self) ?? 0
        }
        #expect(units < 60)
      }
    }
  }
}
