import SimplonCore
import Testing

@testable import SimplonAgents

struct BudgetTests {
  @Test(arguments: ["0", "2.50", "999999999", "0.000000000001", "10"])
  func `an amount is plain decimal text`(_ text: String) { #expect(USD.isAmount(text)) }

  @Test(arguments: [
    "", ".", "1.", ".5", "-1", "+1", "1e3", "01", "1.2.3", "1,5", "1000000000", "0.0000000000001", "NaN",
  ])
  func `what is no amount is refused`(_ text: String) { #expect(!USD.isAmount(text)) }

  @Test func `a budget keeps its numbers digit by digit`() throws {
    let json: JSON = [
      "max_cost": .number("0.10"), "max_cost_per_call": .number("1"), "max_questions": 3, "max_steps": 20,
      "deadline": "2026-11-21T12:00:00+01:00", "on_limit": "wait",
    ]
    #expect(try Budget(json: json).json == json)
    #expect(try Budget(json: [:]).json == [:])
  }

  @Test(arguments: [
    #"{"max_cost": "1"}"#, #"{"max_cost": -1}"#, #"{"max_cost_per_call": 1e2}"#, #"{"max_questions": 0}"#,
    #"{"max_questions": 201}"#, #"{"max_steps": 1001}"#, #"{"deadline": "2026-11-21 12:00"}"#, #"{"on_limit": "ask"}"#,
    "[]",
  ])
  func `a wrong budget is refused`(_ text: String) throws {
    let json = try JSON(parsing: text)
    let error = #expect(throws: SimplonError.self) { try Budget(json: json) }
    #expect(error?.code == .requestInvalid)
    if let name = json.object?.keys.first { #expect(error?.details == ["field": .string(name)]) }
  }

  @Test func `a member that nobody knows is refused`() {
    let error = #expect(throws: SimplonError.self) { try Budget(json: ["usd": 1]) }
    #expect(error?.code == .requestUnknownField)
  }

  @Test func `a question beyond the budget leaves the run waiting, and another holder puts it again`() throws {
    let catalog = ToolCatalog([])
    var machine = RunMachine(try Supervisor(prompt: "Do it.", tools: catalog), records: [], kept: [])
    let first = machine.turn()
    #expect(first.starts.map(\.step.id) == ["model.1"])
    let beyond = SimplonError(.runBudget, "too much", details: ["scope": "day"], retry: .backoff)
    let turn = machine.turn(after: [
      .interrupted(StepEnd(stepID: "model.1", output: .null, error: beyond, layerHash: nil, jitter: 0))
    ])
    guard case .waiting(let reason) = turn.outcome else {
      Issue.record("it must wait")
      return
    }
    #expect(reason["code"] == "budget" && reason["details"] == ["scope": "day"])
    #expect(turn.rows.map(\.status) == [.waiting] && turn.starts.isEmpty)
    let record = StepRecord(
      id: "model.1", status: .waiting, output: nil, error: beyond.json, failures: 0, layerHash: nil, retryIn: nil)
    let supervisor = try Supervisor(prompt: "Do it.", tools: catalog, messages: first.messages)
    var next = RunMachine(supervisor, records: [record], kept: [])
    #expect(next.turn().starts.map(\.step.id) == ["model.1"])
  }
}
