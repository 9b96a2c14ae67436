import FoundationEssentials
import SimplonCore
import SimplonPostgres
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct RunJournalTests {
  @Test func `many lines take several writes and stay in order, before what comes after them`() async throws {
    try await Engine.with { engine in
      let (run, journal) = try await journal(engine)
      for number in 0..<10_000 { journal.add(line("\(number)")) }
      try await journal.write(RunTurn(events: [RunEvent(kind: "status", payload: ["status": "running"])]))
      let rows = try await engine.client.query(
        """
        select array_agg((payload ->> 'text')::bigint order by seq) filter (where kind = 'log'),
          max(seq) filter (where kind = 'status') = max(seq), count(distinct xmin::text)
        from agent_task_logs where run_id = \(run) and (kind = 'log' or payload ->> 'status' = 'running')
        """)
      let (numbers, isLast, writes) = try #require(rows.first).decode([Int64].self, Bool.self, Int64.self)
      #expect(numbers == Array(0..<10_000))
      #expect(isLast)
      // The claim's, three of lines, and that of the event.
      #expect(writes == 5)
    }
  }

  @Test func `a line is the same event whether it goes alone or with many`() async throws {
    let lines = [
      StepLine(stepID: "a", line: LogLine(text: "\"plain\" \\ ü 🦉\t", stream: .stdout)),
      StepLine(stepID: "b", line: LogLine(text: "", stream: .stderr)),
      StepLine(stepID: "b", line: LogLine(level: "warn", text: "\u{FFFD}", stream: .stdout, damaged: true)),
    ]
    try await Engine.with { engine in
      var found = [[[String]]]()
      for filler in [0, RunJournal.bulk] {
        let (run, journal) = try await journal(engine)
        for line in lines + Array(repeating: line("filler"), count: filler) { journal.add(line) }
        try await journal.write(RunTurn())
        let rows = try await engine.client.query(
          "select level, payload::text from agent_task_logs where run_id = \(run) and kind = 'log' order by seq limit 3"
        )
        found.append(
          try rows.map { row in
            let (level, payload) = try row.decode(String.self, String.self)
            return [level, payload]
          })
      }
      #expect(found[0] == found[1])
      #expect(found[0].map { $0[0] } == ["info", "warn", "warn"])
      #expect(try found[0].map { try JSON(parsing: $0[1]) } == lines.map(\.event.payload))
    }
  }

  private func line(_ text: String) -> StepLine { StepLine(stepID: "a", line: LogLine(text: text, stream: .stdout)) }

  private func journal(_ engine: Engine) async throws -> (UUID, RunJournal) {
    let run = try await engine.create([["id": "a", "tool": "noop"]])
    let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
    let lease = Lease()
    lease.extend(by: .seconds(60), from: Lease.now())
    return (
      run,
      RunJournal(
        claim: claim, lease: lease, settler: Settler(store: engine.heldRuns, logger: engine.logger),
        wakeUp: engine.wakeUp, inbox: Inbox())
    )
  }
}
