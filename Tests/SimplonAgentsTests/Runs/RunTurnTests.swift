import FoundationEssentials
import SimplonCore
import Testing

@testable import SimplonAgents

struct RunTurnTests {
  private func step(_ id: String, _ tool: String, _ input: JSON = [:]) throws -> Plan.Step {
    let plan = try Plan(
      json: ["steps": [["id": .string(id), "tool": .string(tool), "with": input]]], tools: ToolBox.catalog)
    return plan.steps[0]
  }

  private func turn(_ steps: [Plan.Step], bills: [ModelCallEnd] = [ModelCallEnd(unsent: .init())]) -> RunTurn {
    var turn = RunTurn()
    turn.bills = bills
    turn.starts = steps.map { StepStart(step: $0, input: $0.input, request: nil) }
    return turn
  }

  @Test func `what a model calls for and leaves no trace begins before it is written, and nothing else`() throws {
    let steps = [
      try step("noop", "noop"), try step("read", "http", ["url": "https://a.example/"]),
      try step("send", "http", ["url": "https://a.example/", "method": "POST"]),
      try step("put", "http", ["url": "https://a.example/", "method": "PUT"]),
      try step("code", "python", ["code": "1"]), try step("file", "files", ["op": "read", "path": "a"]),
      try step("get", "memory.get", ["key": "a"]), try step("keep", "memory.put", ["key": "a", "content": "b"]),
      try step("run", "run", ["prompt": "x"]),
    ]
    var answered = turn(steps)
    #expect(answered.takeEarlyStarts().map(\.step.id) == ["noop", "read", "get"])
    #expect(answered.starts.map(\.step.id) == ["send", "put", "code", "file", "keep", "run"])
    var planned = turn(steps, bills: [])
    #expect(planned.takeEarlyStarts().isEmpty)
    #expect(planned.starts.count == steps.count)
    var asking = RunTurn()
    asking.bills = answered.bills
    let request = ModelRequest(system: "", tools: [], messages: [], maximumOutputTokens: 1)
    asking.starts = [StepStart(step: Supervisor.question("model.2"), input: [:], request: request)]
    #expect(asking.takeEarlyStarts().isEmpty, "a question is reserved first")
  }

  @Test func `two turns of one write say once how a step stands, and that both its ends are in it`() throws {
    let step = try step("a", "noop", ["x": 1])
    var turn = RunTurn(rows: [StepRow(step: step, status: .running, effect: "dispatched", input: ["x": 1])])
    turn.events = [.step("a", .running, [:])]
    turn.outcome = .hold(status: "running", reason: nil)
    var next = RunTurn(rows: [StepRow(step: step, status: .completed, effect: "settled", output: ["x": 1])])
    next.events = [.step("a", .completed, [:])]
    next.waits = [("b", .seconds(1))]
    turn.add(next)
    #expect(turn.rows.count == 1)
    let row = turn.rows[0].json
    #expect(row["status"] == "completed" && row["begun"] == true)
    #expect(row["input"] == ["x": 1] && row["output"] == ["x": 1])
    #expect(turn.events.map { $0.payload["status"]?.string } == ["running", "completed"])
    #expect(turn.waits.map(\.stepID) == ["b"])
    #expect(turn.outcome == .hold(status: "running", reason: nil), "what was said stands until something else is")
    next.outcome = .completed(result: nil)
    turn.add(next)
    #expect(turn.outcome == .completed(result: nil))
  }

  @Test func `a step that has only waited for its sandbox began before`() throws {
    let step = try step("a", "noop")
    var turn = RunTurn(rows: [StepRow(step: step, status: .running, effect: "dispatched")])
    turn.put(StepRow(step: step, status: .completed, effect: "settled", output: [:]))
    #expect(turn.rows[0].json["begun"] == nil)
  }
}
