import FoundationEssentials
import SimplonCore
import SimplonPostgres
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct RunJournalTests {
  @Test func `many lines take several writes and stay in order, before what comes after them`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
      let lease = Lease()
      lease.extend(by: .seconds(60), from: Lease.now())
      let journal = RunJournal(
        claim: claim, lease: lease, queue: engine.queue, settler: Settler(queue: engine.queue, logger: engine.logger),
        wakeUp: engine.wakeUp, inbox: Inbox())
      for number in 0..<10_000 { journal.add(RunEvent(kind: "log", payload: ["n": .integer(number)])) }
      try await journal.write(RunTurn(events: [RunEvent(kind: "status", payload: ["status": "running"])]))
      let rows = try await engine.client.query(
        """
        select array_agg((payload ->> 'n')::bigint order by seq) filter (where kind = 'log'),
          max(seq) filter (where kind = 'status') = max(seq), count(distinct xmin::text)
        from agent_task_logs where run_id = \(run) and (kind = 'log' or payload ->> 'status' = 'running')
        """)
      let (numbers, isLast, writes) = try #require(rows.first).decode([Int64].self, Bool.self, Int64.self)
      #expect(numbers == Array(0..<10_000))
      #expect(isLast)
      // The claim announces the run as running, in a write of its own.
      #expect((3...4).contains(writes))
    }
  }
}
