import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct SandboxWaitTests {
  @Test func `a step that waits for a sandbox says so, and runs when one is free`() async throws {
    try await Engine.with { engine in
      let places = engine.tools.sandbox.places
      let count = engine.tools.sandbox.configuration.atOnce
      let (taken, gates) = (Inbox<Void>(), (0..<count).map { _ in Inbox<Void>() })
      let holders = (0..<count).map { number in
        Task {
          try await places.withRoom(for: number == 0 ? Engine.bob.subject : nil) {
            taken.post(())
            _ = await gates[number].take()
          }
        }
      }
      var seen = 0
      while seen < count { seen += await taken.take().count }
      let run = try await engine.create([["id": "a", "tool": "shell", "with": ["command": "echo hi"]]])
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "step" && $0.payload.contains("waiting") }
        let why = try await JSON(parsing: engine.runs.why(run, as: Engine.alice))
        #expect(why["code"] == "sandbox")
        #expect(why["details"]?["steps_waiting_for_a_sandbox"] == ["a"])
        #expect(why["details"]?["steps"] == [])
        let step = try await engine.status(run, lists: [.steps])["steps"]?["items"]?.array?.first
        #expect(step?["status"] == "waiting")
        #expect(step?["input"] == ["command": "echo hi"])
        for gate in gates { gate.post(()) }
        let events = try await engine.follow(run)
        #expect(events.last?.payload.contains("completed") == true)
        #expect(events.count { $0.kind == "step" } == 4, "running, waiting, running, completed")
      }
      for holder in holders { try await holder.value }
    }
  }

  private static let tools = ToolCatalog([
    ToolDeclaration(
      name: "pure", summary: "Changes nothing.", inputSchema: ["type": "object"], effect: .pure, timeout: .seconds(1),
      maximumTimeout: .seconds(1)),
    ToolDeclaration(
      name: "send", summary: "Sends something.", inputSchema: ["type": "object"], effect: .manual, timeout: .seconds(1),
      maximumTimeout: .seconds(1)),
  ])

  private func machine(_ tool: JSON, _ records: [StepRecord] = []) throws -> RunMachine {
    RunMachine(
      plan: try Plan(json: ["steps": [["id": "a", "tool": tool]]], tools: Self.tools), records: records, run: [:])
  }

  @Test func `waiting and its end are written, and only of a step at work`() throws {
    var machine = try machine("pure")
    _ = machine.turn()
    let waits = machine.turn(after: [.waits(stepID: "a")])
    #expect(waits.rows.map(\.status) == [.waiting])
    #expect(waits.rows.map(\.effect) == ["dispatched"])
    #expect(waits.events.map { $0.payload["reason"]?["code"] } == ["sandbox"])
    #expect(waits.starts.isEmpty && waits.outcome == nil)
    #expect(machine.turn(after: [.begins(stepID: "a")]).rows.map(\.status) == [.running])
    #expect(machine.turn(after: [.waits(stepID: "b")]).isEmpty)
    let end = StepEnd(stepID: "a", output: .null, error: nil, layerHash: nil, jitter: 0)
    #expect(machine.turn(after: [.ended(end)]).outcome == .completed(result: nil))
    #expect(machine.turn(after: [.begins(stepID: "a")]).rows.isEmpty)
  }

  @Test func `whatever happens to a step in one turn, one row of it is written`() throws {
    var waits = try machine("pure")
    _ = waits.turn()
    let end = StepEnd(stepID: "a", output: 1, error: nil, layerHash: nil, jitter: 0)
    let turn = waits.turn(after: [.waits(stepID: "a"), .begins(stepID: "a"), .ended(end)])
    #expect(turn.rows.map(\.status) == [.completed])
    #expect(turn.rows.map(\.output) == [1])
    #expect(turn.events.count == 3, "and all is said")
    // One that is to be repeated fails with the run that fails in the same moment.
    let fault = SimplonError(.toolFailed, "no")
    var fails = RunMachine(
      plan: try Plan(
        json: [
          "steps": [["id": "a", "tool": "pure", "retry": ["max": 1]], ["id": "b", "tool": "pure"]]
        ], tools: Self.tools), records: [], run: [:])
    _ = fails.turn()
    let ends = ["a", "b"].map { id in
      RunMachine.Input.ended(StepEnd(stepID: id, output: .null, error: fault, layerHash: nil, jitter: 0))
    }
    let last = fails.turn(after: ends)
    #expect(last.rows.map(\.step.id).sorted() == ["a", "b"])
    #expect(last.rows.map(\.status) == [.failed, .failed])
  }

  @Test func `steps of one run that wait for each other's places all end`() async throws {
    try await Engine.with { engine in
      let count = engine.tools.sandbox.configuration.atOnce * 2
      let steps = (0..<count).map { number -> JSON in
        ["id": .string("s\(number)"), "tool": "shell", "with": ["command": "true"]]
      }
      let run = try await engine.create(.array(steps))
      try await engine.withWorker { _ = try await engine.follow(run) }
      let status = try await engine.status(run)
      #expect(status["status"] == "completed", "\(status)")
    }
  }

  @Test func `after a crash a step that waited is begun again only where that is harmless`() throws {
    let waited = StepRecord(id: "a", status: .waiting, output: nil, error: nil, failures: 0, layerHash: nil)
    var pure = try machine("pure", [waited])
    #expect(pure.turn().starts.map(\.step.id) == ["a"])
    // The end of its wait may be missing: nobody wrote it before the crash.
    var send = try machine("send", [waited])
    let turn = send.turn()
    #expect(turn.starts.isEmpty)
    guard case .waiting(let reason)? = turn.outcome else { return #expect(Bool(false), "\(turn)") }
    #expect(reason["code"] == "run.unknown_effect")
  }
}
