import SimplonCore
import Testing

@testable import SimplonAgents

/// How the machine of a run goes about questions to a person.
struct QuestionMachineTests {
  private static let order: JSON = ["id": "order", "tool": "noop", "with": ["n": 1], "approval": true]
  private static let other: JSON = ["id": "other", "tool": "noop"]
  private static let question: JSON = ["id": "who", "tool": "ask", "with": ["question": "Who?"]]

  private func machine(
    _ steps: JSON, records: [StepRecord] = [], approvals: ApprovalRules = .none
  ) throws -> RunMachine {
    RunMachine(
      plan: try Plan(json: ["steps": steps], tools: ToolBox.catalog), records: records, run: [:], approvals: approvals)
  }

  private func record(_ id: String, _ status: StepStatus, _ effect: String, response: JSON? = nil) -> StepRecord {
    StepRecord(
      id: id, status: status, output: nil, error: nil, failures: 0, layerHash: nil,
      retryIn: status == .waiting ? .seconds(60) : nil, effect: effect, response: response)
  }

  private func done(_ id: String, error: SimplonError? = nil) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: [:], error: error, layerHash: nil, jitter: 1))
  }

  private func said(_ id: String, _ json: JSON) -> RunMachine.Input {
    .responded(stepID: id, PersonResponse(json: json))
  }

  private func reason(_ turn: RunTurn) -> JSON? {
    guard case .waiting(let reason) = turn.outcome else { return nil }
    return reason
  }

  private func failure(_ turn: RunTurn) -> JSON? {
    guard case .failed(let error) = turn.outcome else { return nil }
    return error
  }

  @Test func `a call that needs approval is written down as intended, and not begun`() throws {
    var machine = try machine([Self.order])
    let turn = machine.turn()
    #expect(turn.starts.isEmpty)
    let row = try #require(turn.rows.first)
    #expect(row.status == .waiting && row.effect == "intent" && row.input == ["n": 1])
    #expect(row.retryIn == AskTool.usualTime)
    #expect(reason(turn)?["code"] == "approval")
    #expect(reason(turn)?["details"]?["step_id"] == "order")
    #expect(reason(turn)?["details"]?["choices"] == ["approve", "deny"])
  }

  @Test func `other steps go on first, and the lease is given up when none is left`() throws {
    var machine = try machine([Self.order, Self.other])
    let first = machine.turn()
    #expect(first.starts.map(\.step.id) == ["other"])
    #expect(first.outcome == nil)
    #expect(machine.isAsking)
    #expect(reason(machine.turn(after: [done("other")]))?["code"] == "approval")
  }

  @Test func `an approved call is dispatched while other steps run, once`() throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    let response: JSON = ["decision": "approve", "by": "x"]
    let turn = machine.turn(after: [said("order", response)])
    #expect(turn.starts.map(\.step.id) == ["order"])
    #expect(turn.rows.map(\.effect) == ["dispatched"])
    #expect(turn.events.first?.payload["response"] == response)
    let again = machine.turn(after: [said("order", response)])
    #expect(again.isEmpty)
    _ = machine.turn(after: [done("other")])
    #expect(machine.turn(after: [done("order")]).outcome == .completed(result: nil))
  }

  @Test(arguments: ["deny", "expired"]) func `a denied call fails its step`(_ decision: String) throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    let response: JSON = ["decision": .string(decision), "message": "too dear"]
    let turn = machine.turn(after: [done("other"), said("order", response)])
    let row = try #require(turn.rows.last)
    #expect(row.status == .failed && row.effect == "none" && row.error?["code"] == "tool.denied")
    #expect(row.error?["message"]?.string?.contains("too dear") == (decision == "deny"))
    #expect(turn.starts.isEmpty)
    #expect(failure(turn)?["code"] == "tool.denied")
  }

  @Test func `an answer is the step's output, and no answer fails it`() throws {
    for response: JSON in [["answer": "Ada", "by": "x"], ["decision": "expired"]] {
      var machine = try machine([Self.question, Self.other])
      _ = machine.turn()
      let row = try #require(machine.turn(after: [said("who", response)]).rows.first)
      #expect(row.status == (response["answer"] == nil ? .failed : .completed))
      #expect(row.output == (response["answer"] == nil ? nil : ["answer": "Ada", "by": "x"]))
      #expect(row.error?["code"] == (response["answer"] == nil ? "tool.unanswered" : nil))
    }
  }

  @Test func `what cannot be asked fails its step`() throws {
    var machine = try machine([["id": "who", "tool": "ask", "with": ["question": "Who?", "expires": "1y"]]])
    #expect(failure(machine.turn())?["code"] == "tool.input")
  }

  @Test func `a new holder asks nobody again`() throws {
    var machine = try machine([Self.order], records: [record("order", .waiting, "intent")])
    let turn = machine.turn()
    #expect(turn.rows.isEmpty && turn.starts.isEmpty)
    #expect(reason(turn)?["code"] == "approval")
  }

  @Test func `a new holder takes in what was said meanwhile`() throws {
    let yes = record("order", .waiting, "intent", response: ["decision": "approve"])
    var approved = try machine([Self.order], records: [yes])
    #expect(approved.turn().starts.map(\.step.id) == ["order"])
    let answer = record("who", .waiting, "intent", response: ["answer": "Ada"])
    var answered = try machine(
      [Self.question, ["id": "next", "tool": "noop", "needs": ["who"]]], records: [answer])
    let turn = answered.turn()
    #expect(turn.starts.map(\.step.id) == ["next"])
    #expect(turn.rows.map(\.status) == [.completed, .running])
  }

  @Test func `an approval holds for the repeats of its call`() throws {
    let running = record("order", .running, "dispatched", response: ["decision": "approve"])
    var machine = try machine([Self.order], records: [running])
    #expect(machine.turn().starts.map(\.step.id) == ["order"])
    // Whoever said that a call is to be made again, as nobody knew whether it had happened, is not asked about it.
    let again = record("order", .pending, "none", response: ["decision": "again"])
    var repeated = try self.machine([Self.order], records: [again])
    #expect(repeated.turn().starts.map(\.step.id) == ["order"])
    var asked = try self.machine([Self.order], records: [record("order", .pending, "intent")])
    #expect(asked.turn().starts.isEmpty)
  }

  @Test func `what was asked stays asked when the rules change`() throws {
    var machine = try machine([Self.other], records: [record("other", .waiting, "intent")])
    let turn = machine.turn()
    #expect(turn.starts.isEmpty)
    #expect(reason(turn)?["code"] == "approval")
  }

  @Test func `a draining worker lets a run wait for a person, unless there is something to repeat`() throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    _ = machine.turn(after: [.drain])
    #expect(reason(machine.turn(after: [done("other")]))?["code"] == "approval")

    machine = try self.machine([Self.order, Self.other])
    _ = machine.turn()
    let cutOff = SimplonError(.runInterrupted, "stopped from outside", retry: .backoff)
    let end = StepEnd(stepID: "other", output: .null, error: cutOff, layerHash: nil, jitter: 1)
    #expect(machine.turn(after: [.drain, .interrupted(end)]).outcome == .queued)
  }

  @Test func `a draining worker leaves what was said to the next one`() throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    #expect(machine.turn(after: [.drain, said("order", ["decision": "approve"])]).starts.isEmpty)
  }

  @Test func `when the plan fails, nobody is asked any more`() throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    let turn = machine.turn(after: [done("other", error: SimplonError(.toolFailed, "no"))])
    #expect(turn.rows.map(\.step.id) == ["other", "order"])
    #expect(turn.rows.map(\.status) == [.failed, .failed])
    #expect(turn.rows.last?.error?["code"] == "run.interrupted")
    #expect(failure(turn)?["code"] == "tool.failed")
    #expect(!machine.isAsking)
  }

  @Test func `a short wait for a repeat keeps the lease, a long one does not`() throws {
    for (backoff, waits) in [("1s", false), ("1h", true)] {
      var machine = try machine([
        Self.order, ["id": "other", "tool": "noop", "retry": ["max": 1, "backoff": .string(backoff)]],
      ])
      _ = machine.turn()
      let turn = machine.turn(after: [done("other", error: SimplonError(.toolFailed, "no"))])
      #expect((reason(turn)?["code"] == "approval") == waits)
      if !waits, case .hold(let status, _)? = turn.outcome { #expect(status == "retrying") }
    }
  }

  @Test func `of several questions the run names the first`() throws {
    var machine = try machine([Self.question, Self.order])
    let found = reason(machine.turn())
    #expect(found?["code"] == "answer")
    #expect(found?["details"]?["question"] == "Who?")
    #expect(found?["details"]?["other_questions"] == 1)
  }

  @Test func `a rule holds a model's call back, and the model is told that it was denied`() throws {
    let rules = ApprovalRules(rules: [ApprovalRules.Rule(tool: "noop")])
    var machine = RunMachine(
      try Supervisor(prompt: "Do it.", tools: ToolBox.catalog), records: [], kept: [], approvals: rules)
    #expect(machine.turn().starts.map(\.step.id) == ["model.1"])
    let call = ModelTurn.Block.call(ModelTurn.Call(id: "c", name: "noop", input: ["x": 1]))
    let reply = ModelReply(
      turn: ModelTurn(model: ModelName(.anthropic, "m"), blocks: [call]), stop: .calls, usage: TokenUsage(),
      requestID: nil)
    let asked = machine.turn(
      after: [.ended(StepEnd(stepID: "model.1", output: [:], error: nil, layerHash: nil, reply: reply, jitter: 0))])
    #expect(asked.starts.isEmpty)
    #expect(reason(asked)?["details"]?["step_id"] == "call.1.1")
    let told = machine.turn(after: [said("call.1.1", ["decision": "deny", "message": "not today"])])
    let request = try #require(told.starts.first?.request)
    guard case .results(let results)? = request.messages.last else {
      Issue.record("the results should go back")
      return
    }
    #expect(results.map(\.isError) == [true])
    #expect(results[0].text.contains("tool.denied") && results[0].text.contains("not today"))
  }

  @Test func `a call is not begun with its approval when the plan fails at that moment`() throws {
    var machine = try machine([Self.order, Self.other])
    _ = machine.turn()
    let error = SimplonError(.toolFailed, "no")
    let turn = machine.turn(after: [done("other", error: error), said("order", ["decision": "approve"])])
    #expect(turn.starts.isEmpty)
    #expect(failure(turn) != nil)
  }
}
