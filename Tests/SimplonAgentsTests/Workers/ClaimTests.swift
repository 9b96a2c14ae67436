import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct ClaimTests {
  private let plan = #"{"steps": [{"id": "a", "tool": "noop"}]}"#

  private func report(_ worker: UUID) -> WorkerReport {
    WorkerReport(id: worker, name: "test", version: "0", slots: 8, running: 0, sandbox: "none", draining: false)
  }

  @Test(arguments: [
    #"'{"n": 1e2000}'"#, #"('{"n": ' || repeat('[', 200) || repeat(']', 200) || '}')::jsonb"#,
  ])
  func `values of one run that cannot be read fail that run alone`(_ metadata: String) async throws {
    try await Engine.with { engine in
      let bad = try await engine.insert(plan: plan, metadata: metadata)
      let good = try await engine.insert(plan: plan)
      try await engine.withWorker {
        _ = try await engine.follow(bad)
        _ = try await engine.follow(good)
      }
      let ended = try await engine.database.execute("select id || ' ' || status from agent_runs order by id")
      #expect(ended == ["\(bad.uuidString.lowercased()) failed", "\(good.uuidString.lowercased()) completed"])
    }
  }

  @Test func `a heartbeat renews what the worker executes and nothing that it never heard of`() async throws {
    try await Engine.with { engine in
      let worker = UUID()
      for _ in 0..<2 { _ = try await engine.insert(plan: plan) }
      let claims = try await engine.queue.claim(worker: worker, lease: .seconds(1), slots: 2)
      let known = try #require(claims.first?.held)
      let answer = try await engine.queue.renew([known.id], report(worker), lease: .seconds(60))
      #expect(answer.held == [known])
      let renewed = try await engine.database.execute(
        "select run_id from simplon.run_state where lease_until > now() + interval '30 seconds'")
      #expect(renewed == [known.id.uuidString.lowercased()])
    }
  }

  @Test func `a run that is stopped while it is queued again does not stop the others' claims`() async throws {
    try await Engine.with { engine in
      let run = try await engine.insert(plan: plan)
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let entry = Settler.Entry(
        run: claim.held, attempt: 1, base: claim.nextSeq, turn: RunTurn(outcome: .queued), lease: Lease())
      try await withThrowingTaskGroup { group in
        // The worker hands the run back in a transaction that is still open when the stop comes.
        try await engine.admin.withTransaction(retries: 0) { connection in
          try await connection.query("select simplon.settle_steps(\(JSON.array([entry.json])))")
          group.addTask {
            let status = try await engine.runs.act(.stop, on: run, as: Engine.alice)
            #expect(status == "cancelled")
          }
          try await engine.waitUntilBlocked(1)
        }
        try await group.waitForAll()
      }
      let other = try await engine.insert(plan: plan)
      let claimed = try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 2)
      #expect(claimed.map(\.held.id) == [other])
      #expect(try await engine.database.execute("select count(*) from agent_task_queue") == ["0"])
      #expect(try await engine.runs.act(.resume, on: run, as: Engine.alice) == "queued")
      let again = try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 2)
      #expect(again.map(\.held.id) == [run])
    }
  }

  @Test func `a run that is queued again over an old row of its own is claimed`() async throws {
    try await Engine.with { engine in
      let run = try await engine.insert(plan: plan)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      try await engine.database.execute("insert into agent_task_queue (run_id) select id from agent_runs")
      #expect(try await engine.runs.act(.retry, on: run, as: Engine.alice) == "queued")
      let claims = try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 2)
      #expect(claims.map(\.held.id) == [run])
      #expect(claims.map(\.attempt) == [2])
    }
  }

  @Test func `a claim waits for nobody`() async throws {
    try await Engine.with { engine in
      let (busy, free) = (try await engine.insert(plan: plan), try await engine.insert(plan: plan))
      func claim() async throws -> [UUID] {
        try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 2).map(\.held.id)
      }
      try await engine.withLocked([busy]) {
        let claimed = try await claim()
        #expect(claimed == [free])
      }
      #expect(try await claim() == [busy])
    }
  }

  @Test func `stops, resumes and retries of one run go together with claims`() async throws {
    try await Engine.with { engine in
      let run = try await engine.insert(plan: plan)
      try await engine.withWorker {
        try await withThrowingTaskGroup { group in
          for caller in 0..<8 {
            group.addTask {
              for turn in 0..<40 {
                let action = [RunAction.stop, .retry, .resume][(caller + turn) % 3]
                do {
                  _ = try await engine.runs.act(action, on: run, as: Engine.alice)
                } catch let error as SimplonError where error.code == .runState {
                }
              }
            }
          }
          try await group.waitForAll()
        }
        _ = try? await engine.runs.act(.retry, on: run, as: Engine.alice)
        while try await engine.status(run)["completed_at"]?.string == nil { await Task.yield() }
      }
      #expect(try await engine.database.execute("select count(*) from agent_task_queue") == ["0"])
    }
  }

  @Test func `a worker has no more runs at once than slots`() async throws {
    try await Engine.with { engine in
      let steps: JSON = [["id": "a", "tool": "shell", "with": ["command": "sleep 0.2"]]]
      var runs = [UUID]()
      for _ in 0..<4 { runs.append(try await engine.create(steps)) }
      try await engine.withWorker(slots: 2) { for run in runs { _ = try await engine.follow(run) } }
      let most = try await engine.database.execute(
        """
        with change as (
          select at, case kind when 'done' then -1 else 1 end as by from agent_task_logs
          where kind = 'done' or kind = 'status' and payload ->> 'status' = 'running')
        select max(held) from (select sum(by) over (order by at) as held from change) c
        """)
      #expect(most == ["2"])
    }
  }

  @Test func `how long the queue is comes with the heartbeat`() async throws {
    try await Engine.with { engine in
      for _ in 0..<3 { _ = try await engine.insert(plan: plan) }
      let answer = try await engine.queue.renew([], report(UUID()), lease: .seconds(60))
      #expect(answer.ready == 3)
      #expect(answer.oldest > 0)
    }
  }
}
