import SimplonCore

/// The life of one claimed run as a pure machine: what happened goes in, what to write and to start comes out.
///
/// Every turn gives at most one write: settling steps, dispatching the next ones and ending the run are one commit. The
/// steps in ``RunTurn/starts`` may begin only after that commit.
struct RunMachine: Sendable {
  /// A repeat that is further off gives up the lease, when nothing else of the run is at work.
  static let longestHeldWait = Duration.seconds(5)

  private let steps: [String: Plan.Step]
  private var progress: PlanProgress
  private var inputs: [String: JSON] = [:]
  private var failures: [String: Int] = [:]
  private(set) var layerHashes: [String: String] = [:]
  private var working: Set<String> = []
  private var waiting: [String: Duration] = [:]
  private var draining = false
  private var showsRetrying = false

  /// Takes up a run where the records say it stands.
  ///
  /// - Parameters:
  ///   - plan: what is executed.
  ///   - records: the attempt's steps as an earlier holder left them. What is settled stays so, a final failure too; a
  ///     step that was under way is done again. A resume has put failed and stopped steps back to pending: these are
  ///     done again, and with them what was skipped because of them.
  ///   - run: what `run.…` gives in expressions.
  init(plan: Plan, records: [StepRecord], run: JSON) {
    steps = Dictionary(plan.steps.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    var settled = [String: SettledStep]()
    for record in records where record.status.isSettled && record.status != .cancelled {
      settled[record.id] = SettledStep(status: record.status, output: record.output, error: record.error)
    }
    if records.contains(where: { $0.status == .pending }) { settled = PlanProgress.kept(of: settled, in: plan) }
    for record in records {
      if settled[record.id] != nil {
        layerHashes[record.id] = record.layerHash
      } else {
        failures[record.id] = record.failures
      }
    }
    progress = PlanProgress(plan: plan, settled: settled, run: run)
  }

  /// The next turn; the first one is asked for with nothing having happened.
  mutating func turn(after things: [RunThing] = []) -> RunTurn {
    var turn = RunTurn()
    for thing in things {
      switch thing {
      case .ended(let end): record(end, in: &turn)
      case .waitOver(let id):
        if waiting.removeValue(forKey: id) != nil, !draining, let step = steps[id] { begin(step, in: &turn) }
      case .drain: draining = true
      }
    }
    if !draining { decide(&turn) }
    if working.isEmpty {
      conclude(&turn)
    } else if showsRetrying {
      showsRetrying = false
      turn.outcome = .hold(status: "running", reason: nil)
    }
    return turn
  }

  private mutating func record(_ end: StepEnd, in turn: inout RunTurn) {
    guard working.remove(end.stepID) != nil, let step = steps[end.stepID] else { return }
    let failed = failures[step.id, default: 0]
    if let error = end.error, failed < step.retry.max {
      failures[step.id] = failed + 1
      let delay = Backoff(base: step.retry.backoff, cap: .seconds(3600)).delay(attempt: failed + 1, jitter: end.jitter)
      waiting[step.id] = delay
      if delay <= Self.longestHeldWait { turn.waits.append((step.id, delay)) }
      turn.rows.append(
        StepRow(
          step: step, status: .waiting, effect: "settled", output: end.output, error: error.json, failures: failed + 1))
      turn.events.append(
        .step(
          step.id, .waiting,
          ["failures": .integer(failed + 1), "retry_in_ms": .integer(delay.milliseconds), "error": error.json],
          level: "warn"))
      return
    }
    let status: StepStatus = end.error == nil ? .completed : .failed
    layerHashes[step.id] = end.layerHash
    progress.settle(step.id, as: SettledStep(status: status, output: end.output, error: end.error?.json))
    turn.rows.append(
      StepRow(
        step: step, status: status, effect: "settled", output: end.output, error: end.error?.json, failures: failed,
        layerHash: end.layerHash))
    turn.events.append(
      .step(step.id, status, end.error.map { ["error": $0.json] } ?? [:], level: end.error == nil ? "info" : "error"))
  }

  private mutating func decide(_ turn: inout RunTurn) {
    for decision in progress.next() {
      switch decision {
      case .dispatch(let step, let input):
        inputs[step.id] = input
        begin(step, in: &turn)
      case .skip(let id, let reason):
        guard let step = steps[id] else { continue }
        turn.rows.append(StepRow(step: step, status: .skipped))
        turn.events.append(.step(id, .skipped, ["reason": .string(reason)]))
      case .fail(let id, let error):
        guard let step = steps[id] else { continue }
        turn.rows.append(StepRow(step: step, status: .failed, error: error.json))
        turn.events.append(.step(id, .failed, ["error": error.json], level: "error"))
      }
    }
  }

  private mutating func begin(_ step: Plan.Step, in turn: inout RunTurn) {
    let input = inputs[step.id] ?? .null
    working.insert(step.id)
    turn.rows.append(
      StepRow(step: step, status: .running, effect: "dispatched", input: input, failures: failures[step.id, default: 0])
    )
    turn.events.append(.step(step.id, .running, ["tool": .string(step.tool)]))
    turn.starts.append(StepStart(step: step, input: input))
  }

  /// Nothing is at work: the run ends, is handed back, or waits.
  private mutating func conclude(_ turn: inout RunTurn) {
    // A draining run takes no decisions any more: what there is left to decide is the next holder's.
    if draining, !progress.next().isEmpty {
      turn.outcome = .queued
    } else if let outcome = progress.outcome {
      switch outcome {
      case .completed(let result): turn.outcome = .completed(result: result)
      case .failed(let error): turn.outcome = .failed(error: error.json)
      }
    } else if draining {
      turn.outcome = .queued
    } else if let (id, delay) = waiting.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
      let reason: JSON = [
        "code": "backoff", "message": .string("Step \"\(id)\" failed and is repeated after \(delay.short)."),
        "details": ["step_id": .string(id), "retry_in_ms": .integer(delay.milliseconds)],
      ]
      if delay > Self.longestHeldWait {
        turn.outcome = .retrying(reason: reason, delay: delay)
      } else if !showsRetrying {
        showsRetrying = true
        turn.outcome = .hold(status: "retrying", reason: reason)
      }
    }
  }
}
