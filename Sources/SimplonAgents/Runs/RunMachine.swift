import FoundationEssentials
import SimplonCore

/// The life of one claimed run as a pure machine: what happened goes in, what to write and to start comes out.
///
/// Every turn gives at most one write: settling steps, dispatching the next ones and ending the run are one commit. The
/// steps in ``RunTurn/starts`` may begin only after that commit, but for those that leave no trace.
struct RunMachine: Sendable {
  /// A repeat that is further off gives up the lease, when nothing else of the run is at work.
  static let longestHeldWait = Duration.seconds(5)
  /// The first wait of a step that the worker's machine cannot run now: long enough for another worker to take the run.
  static let faultWait = Duration.seconds(15)

  /// After so many answers of a model that nobody could read its step has failed.
  static let mostMisunderstandings = 5

  /// A step between two attempts.
  struct Wait {
    let delay: Duration
    /// What the run says about it.
    let reason: JSON
    /// How the step ends when it is not repeated after all.
    let last: SettledStep
  }

  var progress: any RunProgress
  var stepInputs: [String: JSON] = [:]
  var failures: [String: Int] = [:]
  var interruptions: [String: Int] = [:]
  private(set) var layerHashes: [String: String] = [:]
  var working: Set<String> = []
  var waiting: [String: Wait] = [:]
  var questions: Questions
  /// Steps that wait for a run that they have made.
  var children: [String: UUID] = [:]
  /// Steps of which an earlier holder knew that they wait for such a run.
  var awaited: Set<String> = []
  /// Steps whose tool may have had an effect, and nobody knows whether.
  var unknown: Set<String> = []
  /// Steps that an earlier holder left unsettled and that were not begun again.
  var leftovers: Set<String> = []
  /// Those of them whose call was under way.
  var underWay: Set<String> = []
  /// Why the run waits until its budget lets it ask its model.
  var capped: JSON?
  var draining = false
  var showsRetrying = false

  /// Takes up a run where the records say it stands.
  ///
  /// - Parameters:
  ///   - plan: what is executed.
  ///   - records: the attempt's steps as an earlier holder left them. What is settled stays so, a final failure too; a
  ///     step that was under way is done again if that is harmless. A resume has put failed and stopped steps back to
  ///     pending: these are done again, and with them what was skipped because of them; but a step whose call was under
  ///     way when the run was stopped is running again, and judged like any other that was left so.
  ///   - run: what `run.…` gives in expressions.
  ///   - approvals: which calls a person has to approve.
  init(plan: Plan, records: [StepRecord], run: JSON, approvals: ApprovalRules = .none) {
    let settled = PlanProgress.kept(of: records.settled, in: plan)
    self.init(
      PlanProgress(plan: plan, settled: settled, run: run), records: records, kept: Set(settled.keys),
      approvals: approvals)
  }

  /// Takes up a run whose progress knows what is settled.
  ///
  /// - Parameters:
  ///   - progress: decides the steps.
  ///   - records: the attempt's steps as an earlier holder left them.
  ///   - kept: those among them that stay settled.
  ///   - approvals: which calls a person has to approve.
  init(
    _ progress: any RunProgress, records: [StepRecord], kept: Set<String>, approvals: ApprovalRules = .none
  ) {
    self.progress = progress
    questions = Questions(rules: approvals)
    for record in records {
      guard !kept.contains(record.id) else {
        layerHashes[record.id] = record.layerHash
        continue
      }
      failures[record.id] = record.failures
      guard !questions.take(record) else {
        leftovers.insert(record.id)
        continue
      }
      switch record.status {
      case .running:
        leftovers.insert(record.id)
        underWay.insert(record.id)
        if let step = progress[record.id], step.effect == .manual { unknown.insert(step.id) }
      case .waiting:
        leftovers.insert(record.id)
        guard let retryIn = record.retryIn else {
          if progress[record.id]?.tool == RunTool.declaration.name { awaited.insert(record.id) }
          // It waited for a sandbox, and what it got no row says.
          if record.mayHaveHappened { underWay.insert(record.id) }
          if let step = progress[record.id], step.effect == .manual { unknown.insert(step.id) }
          continue
        }
        if retryIn > .zero {
          let last = SettledStep(status: .failed, output: record.output, error: record.error)
          waiting[record.id] = Wait(
            delay: retryIn, reason: Self.backoff(record.id, retryIn), last: last)
        }
      default: break
      }
    }
  }

  /// Whether steps wait for runs that they have made.
  var waitsForRuns: Bool { !children.isEmpty }

  /// The patterns of the files to keep.
  var artifacts: [String] { progress.artifacts }

  /// The files that a step begins with, or at nil those that the run ends with.
  func files(before stepID: String?) -> RunFiles { progress.files(before: stepID) }

  /// Whether a person is asked something.
  var isAsking: Bool { !questions.open.isEmpty }

  /// The next turn; the first one is asked for with nothing having happened.
  mutating func turn(after inputs: [Input] = []) -> RunTurn {
    var turn = RunTurn()
    for input in inputs {
      switch input {
      case .ended(let end):
        turn.bills += end.calls
        record(end, in: &turn)
      case .interrupted(let end):
        turn.bills += end.calls
        interrupt(end, in: &turn)
      case .waits(let id): show(id, .waiting, ["reason": Self.sandbox], in: &turn)
      case .begins(let id): show(id, .running, [:], in: &turn)
      case .awaits(let id, let child): wait(id, for: child, in: &turn)
      case .waitOver(let id):
        if !isStopping, !progress.givesUp(id), waiting.removeValue(forKey: id) != nil, let step = progress[id] {
          begin(step, in: &turn)
        }
      case .responded(let id, let response):
        if !isStopping, !progress.givesUp(id), let step = progress[id] { hear(response, on: step, in: &turn) }
      case .drain: draining = true
      }
    }
    if !isStopping { decide(&turn) }
    // Before a drain looks ahead: what it sees there, the next holder decides and writes.
    turn.messages = progress.takeMessages()
    if working.isEmpty {
      conclude(&turn)
    } else if showsRetrying {
      showsRetrying = false
      turn.outcome = .hold(status: "running", reason: nil)
    }
    for index in turn.rows.indices { turn.rows[index].position = progress.position(of: turn.rows[index].step.id) }
    turn.events += turn.messages.map(\.event)
    return turn
  }

  /// Nothing is begun any more.
  private var isStopping: Bool { draining || !unknown.isEmpty || capped != nil }

  /// Whether the step had been begun and not come back.
  mutating func takeBack(_ id: String) -> Bool {
    awaited.remove(id)
    return working.remove(id) != nil || children.removeValue(forKey: id) != nil
  }

  private mutating func record(_ end: StepEnd, in turn: inout RunTurn) {
    guard takeBack(end.stepID), let step = progress[end.stepID] else { return }
    let failed = failures[step.id, default: 0]
    if let error = end.error, failed < step.retry.max {
      failures[step.id] = failed + 1
      let delay = Backoff(base: step.retry.backoff, cap: .seconds(3600)).delay(attempt: failed + 1, jitter: end.jitter)
      wait(
        step, for: delay, reason: Self.backoff(step.id, delay),
        last: SettledStep(status: .failed, output: end.output, error: error.json), effect: "settled", in: &turn)
      return
    }
    let status = end.error == nil ? StepStatus.completed : .failed
    settle(
      step, as: SettledStep(status: status, output: end.output, error: end.error?.json), saying: end.reply,
      layerHash: end.layerHash, in: &turn)
  }

  /// A step's own run goes on by itself: this one need not be held for it.
  private mutating func wait(_ id: String, for child: UUID, in turn: inout RunTurn) {
    guard working.contains(id) else { return }
    if awaited.remove(id) == nil { show(id, .waiting, ["reason": Self.childRuns([id: child])], in: &turn) }
    working.remove(id)
    children[id] = child
  }

  /// A step that is dispatched waits for its turn, or has it.
  private func show(_ id: String, _ status: StepStatus, _ more: [String: JSON], in turn: inout RunTurn) {
    guard working.contains(id), let step = progress[id] else { return }
    turn.put(StepRow(step: step, status: status, effect: "dispatched", failures: failures[id, default: 0]))
    turn.events.append(.step(id, status, more))
  }

  mutating func settle(
    _ step: Plan.Step, as end: SettledStep, saying reply: ModelReply? = nil, layerHash: String? = nil,
    effect: String = "settled", telling more: [String: JSON] = [:], in turn: inout RunTurn
  ) {
    layerHashes[step.id] = layerHash
    leftovers.remove(step.id)
    stepInputs[step.id] = nil
    progress.settle(step.id, as: end, saying: reply)
    turn.put(
      StepRow(
        step: step, status: end.status, effect: effect, output: end.output, error: end.error,
        failures: failures[step.id, default: 0], layerHash: layerHash))
    var more = more
    more["error"] = end.error
    turn.events.append(.step(step.id, end.status, more, level: end.status == .failed ? "error" : "info"))
  }

  private mutating func decide(_ turn: inout RunTurn) {
    // Of a plan that has failed nothing is done again: what an earlier holder had under way ends here. But a run that a step
    // has made goes on, and the step finds it again and waits for it.
    for id in awaited.intersection(leftovers).sorted() where progress.givesUp(id) {
      if let step = progress[id] { begin(step, in: &turn) }
    }
    giveUp(leftovers, in: &turn)
    carryOutAll(&turn)
    // Where a plan has failed, what waits for a repeat or for a person has failed too.
    if giveUp(Set(questions.open.keys).union(waiting.keys), in: &turn) { carryOutAll(&turn) }
  }

  /// Ends those of the steps whose plan has failed; gives whether there were any.
  @discardableResult
  private mutating func giveUp(_ steps: Set<String>, in turn: inout RunTurn) -> Bool {
    let givenUp = steps.filter { progress.givesUp($0) }.sorted()
    for id in givenUp {
      guard let step = progress[id] else { continue }
      if let wait = waiting.removeValue(forKey: id) {
        settle(step, as: wait.last, in: &turn)
        turn.waits.removeAll { $0.stepID == id }
      } else if questions.close(id) != nil {
        let error = SimplonError(.runInterrupted, "the plan failed before anybody responded")
        settle(step, as: SettledStep(status: .failed, error: error.json), effect: "none", in: &turn)
      } else {
        settle(step, as: SettledStep(status: .cancelled), effect: effect(ofLeaving: step) ?? "settled", in: &turn)
      }
    }
    return !givenUp.isEmpty
  }

  /// What is known of a call that was under way and is not made again: nothing, unless it does nothing outside.
  func effect(ofLeaving step: Plan.Step) -> String? {
    underWay.contains(step.id) && step.effect != .pure ? "unknown" : nil
  }

  /// Decides until there is nothing to decide: what a person has said settles steps at once.
  private mutating func carryOutAll(_ turn: inout RunTurn) {
    var decisions = progress.next()
    while !decisions.isEmpty {
      carryOut(decisions, in: &turn)
      decisions = progress.next()
    }
  }

  private mutating func carryOut(_ decisions: [PlanProgress.Decision], in turn: inout RunTurn) {
    for decision in decisions {
      switch decision {
      case .dispatch(let step, let input):
        stepInputs[step.id] = input
        if let wait = waiting[step.id] {
          // An earlier holder's, and not over yet.
          if wait.delay <= Self.longestHeldWait { turn.waits.append((step.id, wait.delay)) }
        } else {
          enter(step, in: &turn)
        }
      case .skip(let id, let reason):
        guard let step = progress[id] else { continue }
        turn.put(StepRow(step: step, status: .skipped))
        turn.events.append(.step(id, .skipped, ["reason": .string(reason)]))
      case .fail(let id, let error):
        guard let step = progress[id] else { continue }
        leftovers.remove(id)
        turn.put(StepRow(step: step, status: .failed, error: error.json))
        turn.events.append(.step(id, .failed, ["error": error.json], level: "error"))
      }
    }
  }

  /// Begins a step, or puts it to a person first.
  private mutating func enter(_ step: Plan.Step, in turn: inout RunTurn) {
    do throws(SimplonError) {
      switch try questions.verdict(on: step, stepInputs[step.id] ?? .null) {
      case .begin: begin(step, in: &turn)
      case .waits: break
      case .heard(let response): hear(response, on: step, in: &turn)
      case .ask(let question):
        // The call is written down as what somebody intends; it is dispatched when a person has approved it.
        leftovers.insert(step.id)
        turn.put(
          StepRow(
            step: step, status: .waiting, effect: "intent", input: stepInputs[step.id],
            failures: failures[step.id, default: 0], retryIn: question.expires))
        let more: [String: JSON] = [
          "reason": question.reason(), "expires_in_ms": .integer(question.expires.milliseconds),
        ]
        turn.events.append(.step(step.id, .waiting, more))
      }
    } catch {
      settle(step, as: SettledStep(status: .failed, error: error.json), effect: "none", in: &turn)
    }
  }

  /// Takes in what a person said to a question that is open, or that nobody did in time; any other response is ignored.
  private mutating func hear(_ response: PersonResponse, on step: Plan.Step, in turn: inout RunTurn) {
    guard let question = questions.close(step.id, with: response) else { return }
    let more: [String: JSON] = ["response": response.json]
    guard let end = response.end(of: question) else { return begin(step, telling: more, in: &turn) }
    settle(step, as: end, effect: question.kind == .answer ? "settled" : "none", telling: more, in: &turn)
  }

  private mutating func begin(_ step: Plan.Step, telling more: [String: JSON] = [:], in turn: inout RunTurn) {
    let isAwaited = awaited.contains(step.id)
    let input = stepInputs[step.id] ?? (isAwaited ? step.input : .null)
    working.insert(step.id)
    leftovers.remove(step.id)
    // What waits for its run already is shown so already: of a thousand that end one by one not each is told a thousand times.
    if !isAwaited {
      turn.put(
        StepRow(
          step: step, status: .running, effect: "dispatched", input: input, failures: failures[step.id, default: 0]))
      turn.events.append(.step(step.id, .running, more.merging(["tool": .string(step.tool)]) { $1 }))
    }
    turn.starts.append(StepStart(step: step, input: input, request: progress.request(of: step.id)))
  }
}
