import SimplonCore

/// Takes a run from a prompt to an answer: asks the model, does what it calls for, tells it what came of it, and so on.
///
/// At first the model is made to call the tool `plan`. A plan's steps, and every other call of a tool, are steps of the
/// run like those of a plan that a person wrote: settled once, repeated or shown as unknown by the same rules. What went
/// wrong in them is told to the model, which may plan anew. Each question to the model is a step too.
///
/// All of its state follows from the transcript and the settled steps, so another worker takes a run up from these.
struct Supervisor: RunProgress {
  /// Where a run stops, and where its transcript is made shorter.
  struct Limits: Sendable {
    /// Questions to the model; at the last one it can only answer.
    var questions = 200
    /// Steps, questions among them.
    var steps = 1000
    /// Bytes of text in the transcript from which on it is summarised; a token takes three to four.
    var transcript = 400_000
    /// Bytes of one result that the model reads; all of it is in the step's output.
    var result = 32_768
    /// Bytes of all outputs together, which whoever takes the run up reads at once.
    var outputs = PlanProgress.maximumBytes
    /// Tokens of one reply.
    var outputTokens = 8192
  }

  private(set) var outcome: PlanProgress.Outcome?
  private(set) var artifacts = ["artifacts/**"]

  private let prompt: String
  private let catalog: ToolCatalog
  private let tools: [ModelRequest.Tool]
  private let run: JSON
  private let limits: Limits
  private var transcript: [ModelMessage] = []
  private var unwritten: [RunMessage] = []
  private var lastPosition = 0
  /// Questions so far.
  private var questions = 0
  /// The step that asks the model now.
  private var asking: String?
  private var asksForSummary = false
  private var round: Round?
  private var results: [String: SettledStep]
  private var outputBytes = 0
  private var steps: [String: Plan.Step] = [:]
  private var order: [String] = []
  private var positions: [String: Int] = [:]
  /// How often it may still be made to plan.
  private var wantsPlan = 3
  private var hasPlan = false
  /// What the model has said of an answer that was cut.
  private var said = ""

  /// Takes up a run where it stands.
  ///
  /// - Parameters:
  ///   - prompt: what was asked.
  ///   - tools: what the model may call, and what its calls are checked against.
  ///   - shown: what the model is told of them, where that is not the same for all runs.
  ///   - messages: the attempt's transcript as far as it was written.
  ///   - settled: the attempt's steps that are over, by id.
  ///   - run: what `run.…` gives in a plan's expressions.
  ///   - limits: where it stops.
  /// - Throws: `database.decoding` when a stored message cannot be read.
  init(
    prompt: String, tools: ToolCatalog, shown: ToolCatalog? = nil, messages: [RunMessage] = [],
    settled: [String: SettledStep] = [:], run: JSON = [:], limits: Limits = Limits()
  ) throws(SimplonError) {
    self.prompt = prompt
    self.catalog = tools
    self.run = run
    self.limits = limits
    let shown = shown ?? tools
    self.tools =
      [PlanCall.tool(shown)]
      + shown.all.map {
        ModelRequest.Tool(name: ModelTurn.wireName($0.name), summary: $0.summary, inputSchema: $0.inputSchema)
      }
    results = settled
    for message in messages { try replay(message) }
    if messages.isEmpty { say(prompt) }
  }

  // MARK: Decisions

  mutating func next() -> [PlanProgress.Decision] {
    var decisions = [PlanProgress.Decision]()
    while outcome == nil, asking == nil {
      guard round != nil else {
        ask(&decisions)
        continue
      }
      decisions += round?.next(&results) ?? []
      guard let count = finish() else { break }
      keep(.tool, ["calls": .integer(count)])
    }
    return decisions
  }

  private mutating func ask(_ decisions: inout [PlanProgress.Decision]) {
    // One that failed as the transcript was too long has a summary after it.
    while let failed = results[questionID], failed.status == .failed {
      guard failed.error?["code"]?.string == SimplonError.Code.modelContextFull.rawValue, transcript.count > 2,
        !asksForSummary
      else { return outcome = .failed(error: SimplonError(step: questionID, failed)) }
      register(Self.question(questionID))
      questions += 1
      asksForSummary = true
    }
    guard questions < limits.questions, order.count < limits.steps, outputBytes <= limits.outputs else {
      return outcome = .failed(
        error: SimplonError(
          .runLimit,
          "the run has no answer after \(questions) questions and \(order.count) steps with \(outputBytes) bytes of outputs",
          hint: "Ask for less at once.",
          details: [
            "questions": .integer(limits.questions), "steps": .integer(limits.steps),
            "output_bytes": .integer(limits.outputs),
          ]))
    }
    let size = transcript.dropFirst().reduce(0) { $0 + $1.size }
    if size > limits.transcript, transcript.count > 2 { asksForSummary = true }
    let step = Self.question(questionID)
    questions += 1
    register(step)
    asking = step.id
    var input: [String: JSON] = ["messages": .integer(lastPosition)]
    if asksForSummary { input["for"] = "summary" }
    decisions.append(.dispatch(step: step, input: .object(input)))
  }

  /// Ends the round when all of its calls have their results; gives how many.
  private mutating func finish() -> Int? {
    guard let current = round, let answers = current.answers(results, limit: limits.result) else { return nil }
    for id in order[current.start...] { outputBytes += results.removeValue(forKey: id)?.output?.size ?? 0 }
    transcript.append(.results(answers))
    round = nil
    return answers.count
  }

  // MARK: What happened

  mutating func settle(_ stepID: String, as step: SettledStep, saying reply: ModelReply?) {
    results[stepID] = step
    guard stepID == asking else {
      round?.settle(stepID, as: step)
      return
    }
    asking = nil
    guard step.status == .completed, let reply else { return questions -= 1 }
    results[stepID] = nil
    if asksForSummary {
      summarise(reply.turn.text)
      keep(.summary, ["step": .integer(questions), "text": .string(reply.turn.text)])
    } else {
      hear(reply.turn, reply.stop)
      let content: JSON = [
        "step": .integer(questions), "text": .string(reply.turn.text), "calls": round?.shown ?? [],
        "stop": .string(reply.stop.rawValue),
      ]
      keep(.assistant, content, raw: reply.turn.bytes)
      if outcome == nil, round == nil, reply.stop == .maximumTokens { say(Self.goOn) }
    }
  }

  /// Takes in a turn; one of the transcript with what its calls became then.
  private mutating func hear(_ turn: ModelTurn, _ stop: ModelReply.Stop, shown: [JSON]? = nil) {
    transcript.append(.assistant(turn))
    guard turn.calls.isEmpty else {
      said = ""
      return begin(turn, isCut: stop == .maximumTokens, shown: shown)
    }
    wantsPlan = 0
    said += turn.text
    switch stop {
    case .ended, .calls, .refused: outcome = .completed(result: ["answer": .string(said)])
    case .maximumTokens, .paused: break
    case .contextFull: asksForSummary = true
    }
  }

  private mutating func summarise(_ text: String) {
    guard !text.isBlank else {
      return outcome = .failed(
        error: SimplonError(
          .modelContextFull, "the transcript is too long for the model, and it gave no summary of it",
          hint: "Ask for less at once."))
    }
    asksForSummary = false
    said = ""
    transcript = [.user("\(prompt)\n\n\(Self.summaryHead)\n\(text)")]
  }

  private mutating func replay(_ message: RunMessage) throws(SimplonError) {
    lastPosition = message.position
    switch message.role {
    case .user:
      // Answers stand right behind their calls.
      if round != nil { _ = finish() }
      // Behind an end stands what a person wants of the fork of a run.
      if outcome != nil {
        outcome = nil
        said = ""
      }
      transcript.append(.user(message.content["text"]?.string ?? ""))
    case .tool:
      _ = round?.next(&results)
      guard finish() != nil else {
        throw SimplonError(.databaseDecoding, "the transcript has results of calls that have none")
      }
    case .summary:
      question(message)
      summarise(message.content["text"]?.string ?? "")
    case .assistant:
      question(message)
      guard let raw = message.raw, let stop = message.content["stop"]?.string.flatMap(ModelReply.Stop.init) else {
        throw SimplonError(.databaseDecoding, "a message of the transcript has no turn of a model")
      }
      hear(try ModelTurn(bytes: raw), stop, shown: message.content["calls"]?.array ?? [])
    }
  }

  /// Counts the questions up to the one that gave the message; those in between failed.
  private mutating func question(_ message: RunMessage) {
    let last = message.content["step"]?.integer ?? questions + 1
    // It may have put more of them than it may put by now.
    while questions < min(last, Limits().questions) {
      register(Self.question(questionID))
      results[questionID] = nil
      questions += 1
    }
  }

  // MARK: Calls

  private mutating func begin(_ turn: ModelTurn, isCut: Bool, shown: [JSON]?) {
    var new = Round(of: turn, after: order.count)
    for (index, call) in turn.calls.enumerated() {
      // What was refused once stays so, whatever the limits are by now: the model knows it, and nothing came of it.
      let refused = shown.flatMap { $0.indices.contains(index) ? $0[index]["refused"]?.string : nil }
      do throws(SimplonError) {
        guard refused == nil else {
          if call.name == PlanCall.name { wantsPlan -= 1 }
          new.slots.append(.answered(ToolCallResult(callID: call.id, text: refused ?? "", isError: true)))
          continue
        }
        if shown == nil { try check(call, isCut: isCut) }
        new.slots.append(try slot(call, index + 1, &new, isNew: shown == nil))
      } catch {
        if call.name == PlanCall.name { wantsPlan -= 1 }
        new.slots.append(.answered(ToolCallResult(callID: call.id, error)))
      }
    }
    round = new
  }

  /// Whether the run may still do what is called for, and whether that can be read.
  private func check(_ call: ModelTurn.Call, isCut: Bool) throws(SimplonError) {
    guard questions < limits.questions, order.count + 1 < limits.steps else {
      throw SimplonError(.runLimit, "the run may do nothing more", hint: "Answer with what there is.")
    }
    guard call.input == nil else { return }
    throw isCut
      ? SimplonError(
        .toolInput, "the call was cut off: a reply has at most \(limits.outputTokens) tokens",
        hint: "Do it in smaller parts.")
      : SimplonError(.toolInput, "the input of the call is no JSON object")
  }

  private mutating func slot(
    _ call: ModelTurn.Call, _ number: Int, _ round: inout Round, isNew: Bool
  ) throws(SimplonError) -> Round.Slot {
    let input = call.input ?? [:]
    if call.name == PlanCall.name { return try plan(call, input, &round, isNew: isNew) }
    guard let declaration = catalog.all.first(where: { ModelTurn.wireName($0.name) == call.name }) else {
      throw SimplonError(
        .planUnknownTool, "there is no tool \"\(call.name.prefix(64))\"",
        hint: "tools: " + tools.map(\.name).joined(separator: ", "))
    }
    try declaration.check(input)
    var size = SizeLimit()
    try size.add(input)
    let step = Plan.Step(
      id: "call.\(questions).\(number)", declaration: declaration, needs: [], condition: nil, input: input,
      timeout: nil, retry: .none, continueOnError: true)
    register(step)
    wantsPlan = 0
    return .step(step)
  }

  private mutating func plan(
    _ call: ModelTurn.Call, _ input: JSON, _ round: inout Round, isNew: Bool
  ) throws(SimplonError) -> Round.Slot {
    guard round.plan == nil else { throw SimplonError(.planInvalid, "one plan at a time") }
    switch try PlanCall.read(input, tools: catalog) {
    case .answer(let text):
      guard round.calls.count == 1 else { throw SimplonError(.planInvalid, "an answer stands alone") }
      wantsPlan = 0
      outcome = .completed(result: ["answer": .string(text)])
      return .answered(ToolCallResult(callID: call.id, text: "{}", isError: false))
    case .nothing:
      wantsPlan = 0
      return .answered(ToolCallResult(callID: call.id, text: #"{"steps":{}}"#, isError: false))
    case .plan(let plan):
      guard !isNew || order.count + plan.steps.count < limits.steps else {
        throw SimplonError(.runLimit, "the run would have more than \(limits.steps) steps")
      }
      wantsPlan = 0
      artifacts += plan.artifacts
      // The first plan's steps are called as it calls them.
      let steps = round.follow(plan, suffix: hasPlan ? "@\(questions)" : "", results: results, run: run)
      for step in steps { register(step) }
      hasPlan = true
      return .plan
    }
  }

  // MARK: Steps

  subscript(id: String) -> Plan.Step? { steps[id] }
  func position(of stepID: String) -> Int { positions[stepID] ?? 0 }

  func givesUp(_ stepID: String) -> Bool { round?.givesUp(stepID) ?? false }

  /// Everything from before the turn, and in a plan what its step needs; of calls the later one's files stay.
  func files(before stepID: String?) -> RunFiles {
    let positions = positions
    let later: @Sendable (String, String) -> Bool = { positions[$0] ?? 0 > positions[$1] ?? 0 }
    guard let stepID, let round else { return RunFiles(steps: order, replaces: later) }
    let before = Array(order[..<round.start])
    guard let (needed, needs) = round.needed(by: stepID) else { return RunFiles(steps: before, replaces: later) }
    let own = Set(needed + [stepID])
    return RunFiles(steps: before + needed) { one, other in
      own.contains(one) && own.contains(other) ? needs(one, other) : later(one, other)
    }
  }

  private var questionID: String { "model.\(questions + 1)" }

  private mutating func register(_ step: Plan.Step) {
    guard steps.updateValue(step, forKey: step.id) == nil else { return }
    order.append(step.id)
    positions[step.id] = order.count
  }

  // MARK: Messages

  mutating func takeMessages() -> [RunMessage] {
    defer { unwritten = [] }
    return unwritten
  }

  private mutating func say(_ text: String) {
    transcript.append(.user(text))
    keep(.user, ["text": .string(text)])
  }

  private mutating func keep(_ role: RunMessage.Role, _ content: JSON, raw: [UInt8]? = nil) {
    lastPosition += 1
    unwritten.append(RunMessage(position: lastPosition, role: role, content: content, raw: raw))
  }

  func request(of stepID: String) -> ModelRequest? {
    guard stepID == asking else { return nil }
    var request = ModelRequest(
      system: Self.instructions, tools: tools, messages: transcript, maximumOutputTokens: limits.outputTokens)
    if asksForSummary {
      request.messages = transcript.map { $0.shortened(to: 2000) } + [.user(Self.summaryRequest)]
      request.toolChoice = .none
    } else if questions >= limits.questions {
      request.toolChoice = .none
    } else if wantsPlan > 0 {
      request.toolChoice = .tool(PlanCall.name)
    }
    return request
  }
}
