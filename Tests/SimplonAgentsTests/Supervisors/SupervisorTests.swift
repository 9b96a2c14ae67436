import SimplonCore
import Testing

@testable import SimplonAgents

struct SupervisorTests {
  /// What is written of a run, as a database would have it.
  private struct Written {
    var messages: [RunMessage] = []
    var rows: [String: StepRow] = [:]
    var outcome: RunOutcome?

    mutating func write(_ turn: RunTurn) {
      messages += turn.messages
      for var row in turn.rows {
        row.input = row.input ?? rows[row.step.id]?.input
        rows[row.step.id] = row
      }
      outcome = turn.outcome ?? outcome
    }

    var records: [StepRecord] {
      rows.values.map {
        StepRecord(
          id: $0.step.id, status: $0.status, output: $0.output, error: $0.error, failures: $0.failures, layerHash: nil)
      }
    }

    func machine(_ limits: Supervisor.Limits, tools: ToolCatalog = ToolBox.catalog) throws -> RunMachine {
      let settled = records.settled
      return RunMachine(
        try Supervisor(prompt: "Do it.", tools: tools, messages: messages, settled: settled, limits: limits),
        records: records, kept: Set(settled.keys))
    }
  }

  private static let name = ModelName(.anthropic, "m")

  private func call(_ id: String, _ name: String, _ input: JSON?) -> ModelTurn.Block {
    .call(ModelTurn.Call(id: id, name: name, input: input))
  }

  private func plan(_ steps: JSON) -> ModelTurn.Block { call("p", "plan", ["steps": steps]) }

  private func reply(_ blocks: [ModelTurn.Block], _ stop: ModelReply.Stop? = nil) -> ModelReply {
    let turn = ModelTurn(model: Self.name, blocks: blocks)
    return ModelReply(
      turn: turn, stop: stop ?? (turn.calls.isEmpty ? .ended : .calls), usage: TokenUsage(), requestID: nil)
  }

  private func said(_ id: String, _ reply: ModelReply) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: [:], error: nil, layerHash: nil, reply: reply, jitter: 0))
  }

  private func done(_ id: String, _ error: SimplonError? = nil) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: ["of": .string(id)], error: error, layerHash: nil, jitter: 0))
  }

  private let fault = SimplonError(.toolFailed, "no")

  @Test func `calls are checked against the tools, not against what the model is shown of them`() throws {
    let catalog = ToolBox.catalog
    let supervisor = try Supervisor(prompt: "Do it.", tools: catalog, shown: catalog.naming([]))
    var machine = RunMachine(supervisor, records: [], kept: [])
    let first = machine.turn()
    let request = try #require(first.starts.first?.request)
    #expect(request.tools.map(\.name).contains("http") && !request.tools.map(\.name).contains("sql"))
    let query = call("c", "sql", ["connector": "gone", "query": "select 1"])
    let second = machine.turn(after: [said("model.1", reply([query]))])
    #expect(second.starts.map(\.step.id) == ["call.1.1"])
  }

  /// Plays a run to its end: the model gives the replies one after the other, and every tool gives its step's id, or
  /// fails in the steps named.
  ///
  /// After each write it is looked at whether a new holder would begin the same steps with the same questions.
  private func play(
    _ replies: [ModelReply], failing: Set<String> = [], limits: Supervisor.Limits = Supervisor.Limits(),
    each: (RunTurn) throws -> Void = { _ in }
  ) throws -> Written {
    var written = Written()
    var machine = try written.machine(limits)
    var rest = replies[...]
    var turn = machine.turn()
    var working = [StepStart]()
    for _ in 0..<1000 {
      written.write(turn)
      try each(turn)
      guard written.outcome == nil else { return written }
      working += turn.starts
      var other = try written.machine(limits)
      let begun = other.turn()
      #expect(Set(begun.starts.map(\.step.id)) == Set(working.map(\.step.id)))
      for start in begun.starts {
        let same = working.first { $0.step.id == start.step.id }
        #expect(start.request?.messages == same?.request?.messages, "\(start.step.id)")
        #expect(start.request?.toolChoice == same?.request?.toolChoice, "\(start.step.id)")
        #expect(start.input == same?.input)
        #expect(other.files(before: start.step.id).steps == machine.files(before: start.step.id).steps)
      }
      #expect(begun.messages.isEmpty)
      guard !working.isEmpty else { break }
      let start = working.removeFirst()
      if start.request == nil {
        turn = machine.turn(after: [done(start.step.id, failing.contains(start.step.id) ? fault : nil)])
      } else {
        let reply = rest.popFirst()
        turn = machine.turn(after: [said(start.step.id, try #require(reply))])
      }
    }
    Issue.record("the run came to no end")
    return written
  }

  @Test func `a prompt becomes a plan, its results go back, and the answer ends the run`() throws {
    var requests = [ModelRequest]()
    let written = try play([
      reply([
        plan([
          ["id": "a", "tool": "noop", "with": ["x": 1]],
          ["id": "b", "tool": "noop", "needs": ["a"], "with": ["y": "${{ steps.a.output.of }}"]],
        ])
      ]), reply([.text("It is done.")]),
    ]) { requests += $0.starts.compactMap(\.request) }
    #expect(written.outcome == .completed(result: ["answer": "It is done."]))
    #expect(written.messages.map(\.role) == [.user, .assistant, .tool, .assistant])
    #expect(written.messages.map(\.position) == [1, 2, 3, 4])
    #expect(
      written.rows.values.sorted { $0.position < $1.position }.map(\.step.id) == ["model.1", "a", "b", "model.2"])
    #expect(written.rows["b"]?.input == ["y": "a"])
    #expect(requests.map(\.toolChoice) == [.tool("plan"), .auto])
    #expect(requests[0].system == requests[1].system)
    #expect(requests[0].tools == requests[1].tools)
    guard case .results(let results) = requests[1].messages.last else {
      Issue.record("the results are missing")
      return
    }
    #expect(results.map(\.isError) == [false])
    let told = try JSON(parsing: try #require(results.first).text)
    #expect(told == ["steps": ["a": ["output": ["of": "a"]], "b": ["output": ["of": "b"]]]])
  }

  @Test func `calls of one turn run together, and their results come in the order of the calls`() throws {
    var most = 0
    var last: ModelRequest?
    let written = try play([
      reply([call("c1", "noop", [:]), .text("and"), call("c2", "noop", ["x": 1])]),
      reply([call("c3", "noop", [:])]), reply([.text("Done.")]),
    ]) { turn in
      most = max(most, turn.starts.count)
      last = turn.starts.last?.request ?? last
    }
    #expect(most == 2)
    let results = (last?.messages ?? []).compactMap { if case .results(let results) = $0 { results } else { nil } }
    #expect(results.map { $0.map(\.callID) } == [["c1", "c2"], ["c3"]])
    #expect(Set(written.rows.keys) == ["model.1", "call.1.1", "call.1.2", "model.2", "call.2.1", "model.3"])
  }

  @Test func `what is wrong with a call is told to the model, and what failed is no end`() throws {
    var last: ModelRequest?
    let written = try play(
      [
        reply([
          call("c1", "nothing", [:]), call("c2", "noop", nil), call("c3", "shell", ["nonsense": 1]),
          call("c4", "noop", [:]),
        ]), reply([.text("Well.")]),
      ], failing: ["call.1.4"]
    ) { last = $0.starts.last?.request ?? last }
    guard case .results(let results) = last?.messages.last else {
      Issue.record("the results are missing")
      return
    }
    #expect(results.map(\.isError) == [true, true, true, true])
    let codes = try results.map { try JSON(parsing: $0.text)["error"]?["code"]?.string }
    #expect(codes == ["plan.unknown_tool", "tool.input", "tool.input", "tool.failed"])
    #expect(written.outcome == .completed(result: ["answer": "Well."]))
  }

  @Test func `a plan that fails is followed by another one, whose steps have names of their own`() throws {
    let written = try play(
      [
        reply([
          plan([["id": "a", "tool": "noop", "with": [:]], ["id": "b", "tool": "noop", "needs": ["a"], "with": [:]]])
        ]),
        reply([plan([["id": "a", "tool": "noop", "with": [:]]])]), reply([.text("At last.")]),
      ], failing: ["a"])
    #expect(written.outcome == .completed(result: ["answer": "At last."]))
    #expect(written.rows["a"]?.status == .failed)
    #expect(written.rows["b"]?.status == .skipped)
    #expect(written.rows["a@2"]?.status == .completed)
  }

  @Test func `it is made to plan three times at most`() throws {
    var choices = [ModelRequest.ToolChoice]()
    let bad = reply([plan([["id": "a", "tool": "nothing", "with": [:]]])])
    let written = try play([bad, bad, bad, reply([.text("I cannot.")])]) {
      choices += $0.starts.compactMap { $0.request?.toolChoice }
    }
    #expect(choices == [.tool("plan"), .tool("plan"), .tool("plan"), .auto])
    #expect(written.outcome == .completed(result: ["answer": "I cannot."]))
  }

  @Test func `a job without steps is answered in one question`() throws {
    let written = try play([reply([call("p", "plan", ["steps": [], "answer": "42"])])])
    #expect(written.outcome == .completed(result: ["answer": "42"]))
    #expect(Array(written.rows.keys) == ["model.1"])
  }

  @Test func `an answer that is cut goes on`() throws {
    let written = try play([reply([.text("One ")], .maximumTokens), reply([.text("two.")])])
    #expect(written.outcome == .completed(result: ["answer": "One two."]))
    #expect(written.messages.map(\.role) == [.user, .assistant, .user, .assistant])
  }

  @Test func `an answer that nobody can read is asked for again, and not for ever`() throws {
    var machine = try Written().machine(Supervisor.Limits())
    _ = machine.turn()
    let garbled = SimplonError(.modelProtocol, "no JSON", retry: .backoff)
    func again() -> RunTurn {
      machine.turn(after: [
        .interrupted(StepEnd(stepID: "model.1", output: .null, error: garbled, layerHash: nil, jitter: 0))
      ])
    }
    for _ in 0..<4 {
      #expect(again().rows.map(\.status) == [.waiting])
      _ = machine.turn(after: [.waitOver(stepID: "model.1")])
    }
    guard case .failed(let error) = again().outcome else {
      Issue.record("it must fail")
      return
    }
    #expect(error["code"] == "model.protocol")
  }

  @Test func `the next holder goes on counting answers that nobody can read`() throws {
    var written = Written()
    for round in 1...5 {
      var machine = try written.machine(Supervisor.Limits())
      written.write(machine.turn())
      let garbled = SimplonError(.modelProtocol, "no JSON", retry: .backoff)
      written.write(
        machine.turn(after: [
          .interrupted(StepEnd(stepID: "model.1", output: .null, error: garbled, layerHash: nil, jitter: 1))
        ]))
      #expect(written.rows["model.1"]?.status == (round == 5 ? .failed : .waiting))
    }
  }

  @Test func `of a plan that has failed a new holder does nothing again, and tells the model the same`() throws {
    var written = Written()
    var machine = try written.machine(Supervisor.Limits())
    written.write(machine.turn())
    let two: JSON = [["id": "a", "tool": "noop", "with": [:]], ["id": "b", "tool": "noop", "with": [:]]]
    written.write(machine.turn(after: [said("model.1", reply([plan(two)]))]))
    written.write(machine.turn(after: [done("a", fault)]))
    #expect(written.rows["b"]?.status == .running)
    var next = try written.machine(Supervisor.Limits())
    let turn = next.turn()
    written.write(turn)
    #expect(turn.starts.map(\.step.id) == ["model.2"])
    #expect(written.rows["b"]?.status == .cancelled)
    guard case .results(let results) = turn.starts.first?.request?.messages.last else {
      Issue.record("the results are missing")
      return
    }
    let told = try JSON(parsing: results[0].text)
    #expect(told["steps"]?["b"]?["status"] == "cancelled")
    var third = try written.machine(Supervisor.Limits())
    #expect(third.turn().starts.first?.request?.messages == turn.starts.first?.request?.messages)
  }

  @Test func `a drain writes no result whose steps it has not written`() throws {
    var written = Written()
    var machine = try written.machine(Supervisor.Limits())
    written.write(machine.turn())
    let chain: JSON = [
      ["id": "a", "tool": "noop", "with": [:]],
      ["id": "b", "tool": "noop", "needs": ["a"], "when": "${{ steps.a.output.of == 'never' }}", "with": [:]],
    ]
    written.write(machine.turn(after: [said("model.1", reply([plan(chain)]))]))
    written.write(machine.turn(after: [.drain, done("a")]))
    #expect(written.outcome == .queued)
    #expect(written.messages.map(\.role) == [.user, .assistant])
    var next = try written.machine(Supervisor.Limits())
    written.write(next.turn())
    #expect(written.rows["b"]?.status == .skipped)
  }

  @Test func `files are joined in the order of needs, wherever a plan has its steps`() throws {
    var machine = try Written().machine(Supervisor.Limits())
    _ = machine.turn()
    let turned: JSON = [
      ["id": "late", "tool": "noop", "needs": ["early"], "with": [:]], ["id": "early", "tool": "noop", "with": [:]],
    ]
    _ = machine.turn(after: [said("model.1", reply([plan(turned)]))])
    let files = machine.files(before: nil)
    #expect(files.steps == ["model.1", "early", "late"])
    #expect(files.replaces("late", "early") && !files.replaces("early", "late"))
  }

  @Test func `no plan is begun that leaves no question for its end`() throws {
    var limits = Supervisor.Limits()
    limits.steps = 4
    let three: JSON = .array((1...3).map { ["id": .string("s\($0)"), "tool": "noop", "with": [:]] })
    let written = try play([reply([plan(three)]), reply([.text("Too much.")])], limits: limits)
    #expect(written.outcome == .completed(result: ["answer": "Too much."]))
    #expect(written.rows["s1"] == nil)
  }

  @Test func `what a limit refused stays refused when the limit is raised, and the run goes on`() throws {
    var limits = Supervisor.Limits()
    limits.steps = 3
    let three: JSON = .array((1...3).map { ["id": .string("s\($0)"), "tool": "noop", "with": [:]] })
    let calls = ["c", "d"].map { reply([call($0, "noop", [:])]) }
    let written = try play([reply([plan(three)])] + calls, limits: limits)
    guard case .failed(let error) = written.outcome else {
      Issue.record("it must fail")
      return
    }
    #expect(error["code"] == "run.limit")
    for questions in [200, 1] {
      limits.steps = 100
      limits.questions = questions
      var machine = try written.machine(limits)
      let turn = machine.turn()
      guard questions > 1 else {
        #expect(turn.outcome != nil && turn.starts.isEmpty, "one that may ask less than it has asked is over")
        continue
      }
      #expect(turn.outcome == nil)
      let request = try #require(turn.starts.first?.request)
      let results = request.messages.compactMap { if case .results(let results) = $0 { results } else { nil } }
      #expect(results.first?.first?.text.contains("more than 3 steps") == true)
    }
  }

  @Test(arguments: [
    (ModelReply.Stop.ended, true), (.calls, true), (.maximumTokens, true), (.paused, false), (.refused, false),
    (.contextFull, false),
  ])
  func `a reply without a word is none, unless it says why`(_ stop: ModelReply.Stop, _ isEmpty: Bool) {
    #expect(reply([.text(" ")], stop).isEmpty == isEmpty)
    #expect(!reply([.text("x")], stop).isEmpty && !reply([call("c", "noop", nil)], stop).isEmpty)
  }

  @Test func `a call that was cut off is told so`() throws {
    var requests = [ModelRequest]()
    _ = try play([
      reply([call("c", "noop", nil)], .maximumTokens), reply([call("c", "noop", nil)]), reply([.text("x")]),
    ]) {
      requests += $0.starts.compactMap(\.request)
    }
    let texts = requests.last?.messages.compactMap { message -> String? in
      if case .results(let results) = message { results.first?.text } else { nil }
    }
    #expect(texts?.first?.contains("was cut off") == true && texts?.last?.contains("no JSON object") == true)
  }

  @Test func `at its last question it can only answer, and one more there is not`() throws {
    var limits = Supervisor.Limits()
    limits.questions = 2
    var choices = [ModelRequest.ToolChoice]()
    let written = try play([reply([call("c", "noop", [:])]), reply([call("c", "noop", [:])])], limits: limits) {
      choices += $0.starts.compactMap { $0.request?.toolChoice }
    }
    #expect(choices == [.tool("plan"), .none])
    guard case .failed(let error) = written.outcome else {
      Issue.record("it must fail")
      return
    }
    #expect(error["code"] == "run.limit")
  }

  @Test func `a long transcript is summed up, and goes on from the summary`() throws {
    var limits = Supervisor.Limits()
    limits.transcript = 300
    var requests = [ModelRequest]()
    let long = String(repeating: "x", count: 400)
    let written = try play(
      [reply([call("c1", "noop", ["x": .string(long)])]), reply([.text("I did things.")]), reply([.text("Done.")])],
      limits: limits
    ) { requests += $0.starts.compactMap(\.request) }
    #expect(written.messages.map(\.role) == [.user, .assistant, .tool, .summary, .assistant])
    #expect(requests[1].toolChoice == .none)
    #expect(requests[2].messages.count == 1)
    guard case .user(let text) = requests[2].messages[0] else {
      Issue.record("the summary must stand in the first message")
      return
    }
    #expect(text.hasPrefix("Do it.") && text.hasSuffix("I did things."))
  }

  @Test func `a transcript that the model finds too long is summed up as well`() throws {
    var written = Written()
    var machine = try written.machine(Supervisor.Limits())
    written.write(machine.turn())
    written.write(machine.turn(after: [said("model.1", reply([call("c", "noop", [:])]))]))
    written.write(machine.turn(after: [done("call.1.1")]))
    let full = machine.turn(after: [done("model.2", SimplonError(.modelContextFull, "too long"))])
    written.write(full)
    #expect(full.starts.map(\.step.id) == ["model.3"])
    #expect(full.starts.first?.request?.toolChoice == ModelRequest.ToolChoice.none)
    var other = try written.machine(Supervisor.Limits())
    #expect(other.turn().starts.map(\.step.id) == ["model.3"])
    written.write(machine.turn(after: [said("model.3", reply([.text("So far.")]))]))
    other = try written.machine(Supervisor.Limits())
    #expect(other.turn().starts.map(\.step.id) == ["model.4"])
  }

  @Test func `a model that cannot be asked leaves the run waiting with that reason, and its question is put again`()
    throws
  {
    var machine = try Written().machine(Supervisor.Limits())
    _ = machine.turn()
    let cooling = SimplonError(.modelCoolingDown, "none can be asked", retry: .after(.seconds(30)))
    let turn = machine.turn(after: [
      .interrupted(StepEnd(stepID: "model.1", output: .null, error: cooling, layerHash: nil, jitter: 0))
    ])
    guard case .retrying(let reason, let delay) = turn.outcome else {
      Issue.record("it must wait")
      return
    }
    #expect(reason["code"] == "model.cooling_down")
    #expect(delay == .seconds(30))
  }

  @Test func `a model's error that is final fails the run with its code`() throws {
    var machine = try Written().machine(Supervisor.Limits())
    _ = machine.turn()
    let turn = machine.turn(after: [done("model.1", SimplonError(.modelAuth, "the key is refused"))])
    guard case .failed(let error) = turn.outcome else {
      Issue.record("it must fail")
      return
    }
    #expect(error["code"] == "model.auth")
  }

  @Test func `a call sees the files of all turns before, the later over the earlier, and none of its own turn`() throws
  {
    var machine = try Written().machine(Supervisor.Limits())
    _ = machine.turn()
    _ = machine.turn(after: [said("model.1", reply([call("c1", "noop", [:]), call("c2", "noop", [:])]))])
    #expect(machine.files(before: "call.1.2").steps == ["model.1"])
    _ = machine.turn(after: [done("call.1.2"), done("call.1.1")])
    _ = machine.turn(after: [
      said(
        "model.2",
        reply([plan([["id": "a", "tool": "noop", "with": [:]], ["id": "b", "tool": "noop", "with": [:]]])]))
    ])
    let files = machine.files(before: "b")
    #expect(files.steps.filter { !$0.hasPrefix("model") } == ["call.1.1", "call.1.2"])
    #expect(files.replaces("call.1.2", "call.1.1") && !files.replaces("call.1.1", "call.1.2"))
  }
}
