import FoundationEssentials
import SimplonCore
import Testing

@testable import SimplonAgents

/// What a run does while steps of it wait for runs that they have made.
struct ChildRunMachineTests {
  private let tools = ToolCatalog([NoopTool.declaration, RunTool.declaration])

  private func machine(_ steps: JSON, records: [StepRecord] = []) throws -> RunMachine {
    RunMachine(plan: try Plan(json: ["steps": steps], tools: tools), records: records, run: [:])
  }

  private func done(_ id: String) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: [:], error: nil, layerHash: nil, jitter: 1))
  }

  private let child = UUID()

  @Test func `a run whose steps wait for runs of their own is given up, and says for which`() throws {
    var machine = try machine([["id": "a", "tool": "run"], ["id": "b", "tool": "noop"]])
    #expect(machine.turn().starts.count == 2)
    let turn = machine.turn(after: [.awaits(stepID: "a", child: child)])
    #expect(turn.rows.map(\.status) == [.waiting])
    #expect(turn.outcome == nil)
    let last = machine.turn(after: [done("b")])
    #expect(
      last.outcome
        == .waiting(reason: [
          "code": "child_run", "message": "It waits for a child run.",
          "details": [
            "children": [["step_id": "a", "run_id": .string(child.uuidString.lowercased())]], "count": 1,
          ],
        ]))
    #expect(machine.waitsForRuns)
  }

  @Test func `a step whose run ends while others work goes on at once`() throws {
    var machine = try machine([
      ["id": "a", "tool": "run"], ["id": "b", "tool": "noop"], ["id": "c", "tool": "noop", "needs": ["a"]],
    ])
    _ = machine.turn()
    _ = machine.turn(after: [.awaits(stepID: "a", child: child)])
    let turn = machine.turn(after: [done("a")])
    #expect(turn.starts.map(\.step.id) == ["c"])
    #expect(machine.turn(after: [done("b"), done("c")]).outcome == .completed(result: nil))
  }

  @Test func `a step that waited for a run when its worker was lost is taken up again`() throws {
    let waiting = StepRecord(id: "a", status: .waiting, output: nil, error: nil, failures: 0, layerHash: nil)
    var machine = try machine([["id": "a", "tool": "run"]], records: [waiting])
    #expect(machine.turn().starts.map(\.step.id) == ["a"])
  }

  @Test func `a step that waited for a run waits on without a word, though the plan fails`() throws {
    let waiting = StepRecord(id: "a", status: .waiting, output: nil, error: nil, failures: 0, layerHash: nil)
    let failed = StepRecord(
      id: "b", status: .failed, output: nil, error: ["code": "tool.failed", "message": "no"], failures: 0,
      layerHash: nil)
    var machine = try machine(
      [["id": "a", "tool": "run"], ["id": "b", "tool": "noop"]], records: [waiting, failed])
    let turn = machine.turn()
    #expect(turn.starts.map(\.step.id) == ["a"])
    #expect(turn.rows.isEmpty && turn.events.isEmpty)
    let parked = machine.turn(after: [.awaits(stepID: "a", child: child)])
    #expect(parked.rows.isEmpty)
    guard case .waiting(let reason) = parked.outcome else {
      Issue.record("\(String(describing: parked.outcome))")
      return
    }
    #expect(reason["code"] == "child_run")
    guard case .failed = machine.turn(after: [done("a")]).outcome else {
      Issue.record("the plan has failed")
      return
    }
  }
}
