package import SimplonCore

/// How far a run has come with its plan: settled steps go in, what to do next comes out.
///
/// Call ``next()`` at first and after every ``settle(_:as:)``, carry out its decisions, then read ``outcome``. A step is
/// decided once. Skipped and failed decisions are settled already; only a dispatched step is settled by the caller, at
/// its last attempt. After a failure no step starts, running ones settle, the dependants of the failed one are skipped,
/// and the steps never reached stay undecided: they are still pending when the run has failed.
package struct PlanProgress: Sendable {
  /// What to do with a step.
  package enum Decision: Sendable {
    /// Run it with this input, whose expressions are resolved and which fits the tool.
    case dispatch(step: Plan.Step, input: JSON)
    /// It does not run; the reason is a sentence for people.
    case skip(stepID: String, reason: String)
    /// It cannot run: `plan.expression`, `plan.too_large` or `tool.input`.
    case fail(stepID: String, error: SimplonError)
  }

  /// How the plan ended.
  package enum Outcome: Sendable {
    /// Every step is over; the result is the plan's resolved output, nil when it names none.
    case completed(result: JSON?)
    /// The first failed step's error, with the step in its message and in `details.step`; or `plan.expression` or
    /// `plan.too_large` of the plan's output.
    case failed(error: SimplonError)
  }

  private enum State { case undecided, running, settled }

  /// How the plan ended; nil while a step runs or ``next()`` has something to say.
  package private(set) var outcome: Outcome?

  let plan: Plan
  private let run: JSON
  private var states: [State]
  private var results: [SettledStep?]
  private var unmet: [Int]
  private var obstacles: [String?]
  private var queue = [Int]()
  private var running = 0
  private var left: Int
  private var bytes = 0
  private var failure: SimplonError?

  /// The most bytes of all inputs and outputs together: each expression can repeat a large output, and all are held in
  /// memory while the run lasts.
  ///
  /// Of steps that were settled before, only the outputs are.
  package static let maximumBytes = 32 << 20

  /// Whether a step has failed for good: nothing starts any more.
  package var hasFailed: Bool { failure != nil }

  /// Takes up a plan where it stands.
  ///
  /// - Parameters:
  ///   - plan: the plan.
  ///   - settled: the steps that are over, by id; others in it are started again.
  ///   - run: the object that `run.…` reads: `id`, `attempt` and `metadata`.
  package init(plan: Plan, settled: [String: SettledStep] = [:], run: JSON = [:]) {
    self.plan = plan
    self.run = run
    states = plan.steps.map { _ in .undecided }
    results = plan.steps.map { _ in nil }
    unmet = plan.steps.map(\.needs.count)
    obstacles = plan.steps.map { _ in nil }
    left = plan.steps.count
    for index in plan.steps.indices {
      if let step = settled[plan.steps[index].id], step.status.isSettled { record(index, step) }
    }
    queue = plan.steps.indices.filter { unmet[$0] == 0 || obstacles[$0] != nil }
  }

  /// What to do now; empty when there is nothing but waiting.
  package mutating func next() -> [Decision] {
    var decisions = [Decision]()
    var starts = [(index: Int, input: JSON)]()
    var at = 0
    while at < queue.count {
      let index = queue[at]
      at += 1
      guard states[index] == .undecided else { continue }
      let step = plan.steps[index]
      if let obstacle = obstacles[index] {
        decisions.append(.skip(stepID: step.id, reason: obstacle))
        record(index, SettledStep(status: .skipped))
      } else if failure == nil {
        do throws(SimplonError) {
          if let input = try input(of: step) {
            starts.append((index, input))
          } else {
            decisions.append(.skip(stepID: step.id, reason: "its condition is false"))
            record(index, SettledStep(status: .skipped))
          }
        } catch {
          decisions.append(.fail(stepID: step.id, error: error))
          record(index, SettledStep(status: .failed, error: error.json))
        }
      }
    }
    queue.removeAll(keepingCapacity: true)
    for (index, input) in starts where failure == nil {
      states[index] = .running
      running += 1
      decisions.append(.dispatch(step: plan.steps[index], input: input))
    }
    if outcome == nil, running == 0 { conclude() }
    return decisions
  }

  /// Takes in how a dispatched step ended; any other step is ignored.
  package mutating func settle(_ stepID: String, as step: SettledStep) {
    precondition(step.status.isSettled, "a step settles once, at its end")
    guard let index = plan.position(of: stepID), states[index] == .running else { return }
    running -= 1
    record(index, step)
  }

  private mutating func record(_ index: Int, _ settled: SettledStep) {
    let step = plan.steps[index]
    states[index] = .settled
    results[index] = settled
    bytes += settled.output?.size ?? 0
    left -= 1
    let obstacle: String
    switch settled.status {
    case .completed: return release(index)
    case .failed where step.continueOnError: return release(index)
    case .skipped: obstacle = "it needs step \"\(step.id)\", which was skipped"
    default:
      obstacle = "it needs step \"\(step.id)\", which failed"
      if failure == nil { failure = SimplonError(step: step.id, settled) }
    }
    for dependant in plan.graph.dependants[index] where obstacles[dependant] == nil {
      obstacles[dependant] = obstacle
      queue.append(dependant)
    }
  }

  private mutating func release(_ index: Int) {
    for dependant in plan.graph.dependants[index] {
      unmet[dependant] -= 1
      if unmet[dependant] == 0 { queue.append(dependant) }
    }
  }

  /// The input to run with, or nil when the condition is false.
  private mutating func input(of step: Plan.Step) throws(SimplonError) -> JSON? {
    if let condition = step.condition {
      let holds = try within("\"when\"", try condition.truth(in: scope))
      guard holds else { return nil }
    }
    let input = step.completed(try within("\"with\"", try Resolver.resolve(step.templates, in: scope)))
    try step.declaration.check(input)
    let size = input.size
    guard bytes + size <= Self.maximumBytes else {
      throw SimplonError(.planTooLarge, "the run's inputs and outputs together would pass the limit of 32 MiB")
    }
    bytes += size
    return input
  }

  private mutating func conclude() {
    if let failure {
      outcome = .failed(error: failure)
    } else if left == 0 {
      do throws(SimplonError) {
        guard let output = plan.output else { outcome = .completed(result: nil); return }
        let result = try within("\"output\" of the plan", try Resolver.resolve(output, in: scope))
        outcome = .completed(result: result)
      } catch {
        outcome = .failed(error: error)
      }
    }
  }

  private var scope: Expression.Scope {
    Expression.Scope(run: run) { id in plan.position(of: id).flatMap { results[$0] } }
  }
}

extension PlanProgress {
  /// The settled steps that a run keeps which is taken up again.
  ///
  /// All but the cancelled ones, and but those that were skipped because of a step that is not settled any more: that
  /// one is done again, and they are decided again.
  package static func kept(of settled: [String: SettledStep], in plan: Plan) -> [String: SettledStep] {
    var kept = [String: SettledStep]()
    for index in plan.graph.order {
      let step = plan.steps[index]
      guard let result = settled[step.id], result.status != .cancelled else { continue }
      let isBarred = step.needs.contains { need in
        switch kept[need]?.status {
        case .skipped: true
        case .failed: plan[need]?.continueOnError != true
        default: false
        }
      }
      if isBarred || step.needs.allSatisfy({ kept[$0] != nil }) { kept[step.id] = result }
    }
    return kept
  }
}

extension SimplonError {
  /// The error of a run whose step did not end well.
  init(step id: String, _ settled: SettledStep) {
    let stopped = settled.status == .cancelled
    let name = settled.error?["code"]?.string ?? (stopped ? Code.runInterrupted : Code.toolFailed).rawValue
    let code = Code.all.first { $0.rawValue == name } ?? Code(name, status: 500, "An error of another version.")
    let message = settled.error?["message"]?.string ?? (stopped ? "it was stopped before it ended" : "it failed")
    var details = settled.error?["details"]?.object ?? [:]
    details["step"] = .string(id)
    self.init(
      code, "step \"\(id)\": \(message)", hint: settled.error?["hint"]?.string, details: .object(details))
  }
}
