import SimplonCore

/// What one turn of a model calls for, and what becomes of it.
struct Round: Sendable {
  /// What a call has become.
  enum Slot: Sendable {
    case step(Plan.Step)
    case plan
    /// It was wrong, or there was nothing to do.
    case answered(ToolCallResult)
  }

  let calls: [ModelTurn.Call]
  /// How many steps the run had before it.
  let start: Int
  var slots: [Slot] = []
  private(set) var plan: PlanProgress?
  /// What is added to the ids of the plan's steps.
  private var suffix = ""
  private var begun: Set<String> = []

  init(of turn: ModelTurn, after start: Int) {
    calls = turn.calls
    self.start = start
  }

  /// Takes up a plan, whose steps' ids get something added; gives the steps as the run has them.
  mutating func follow(_ plan: Plan, suffix: String, results: [String: SettledStep], run: JSON) -> [Plan.Step] {
    self.suffix = suffix
    var settled = [String: SettledStep]()
    for step in plan.steps { settled[step.id] = results[step.id + suffix] }
    self.plan = PlanProgress(plan: plan, settled: PlanProgress.kept(of: settled, in: plan), run: run)
    // The order in which files are joined from the next turn on: each after those whose files it replaces.
    return plan.graph.order.map { plan.steps[$0].renamed(plan.steps[$0].id + suffix) }
  }

  /// What to do now; steps that are decided without being done have their results at once.
  mutating func next(_ results: inout [String: SettledStep]) -> [PlanProgress.Decision] {
    var decisions = [PlanProgress.Decision]()
    for (slot, call) in zip(slots, calls) {
      guard case .step(let step) = slot, results[step.id] == nil, begun.insert(step.id).inserted else { continue }
      decisions.append(.dispatch(step: step, input: call.input ?? [:]))
    }
    for decision in plan?.next() ?? [] {
      switch decision {
      case .dispatch(let step, let input):
        decisions.append(.dispatch(step: step.renamed(step.id + suffix), input: input))
      case .skip(let id, let reason):
        results[id + suffix] = SettledStep(status: .skipped)
        decisions.append(.skip(stepID: id + suffix, reason: reason))
      case .fail(let id, let error):
        results[id + suffix] = SettledStep(status: .failed, error: error.json)
        decisions.append(.fail(stepID: id + suffix, error: error))
      }
    }
    return decisions
  }

  /// Takes in how a step of the plan ended.
  mutating func settle(_ stepID: String, as step: SettledStep) {
    if let id = planned(stepID) { plan?.settle(id, as: step) }
  }

  /// The results of all calls in their order, of each so many bytes; nil while one has none.
  func answers(_ results: [String: SettledStep], limit: Int) -> [ToolCallResult]? {
    var answers = [ToolCallResult]()
    for (slot, call) in zip(slots, calls) {
      switch slot {
      case .answered(let result): answers.append(result)
      case .step(let step):
        guard let result = results[step.id] else { return nil }
        answers.append(ToolCallResult(callID: call.id, result, limit: limit))
      case .plan:
        guard let plan, let outcome = plan.outcome else { return nil }
        answers.append(
          PlanCall.result(of: plan.plan, outcome, for: call.id, limit: limit) { results[$0 + suffix] })
      }
    }
    return answers
  }

  /// The calls as people see them: `{"id", "name", "step_id"?, "plan"?, "refused"?}`.
  var shown: JSON {
    .array(
      zip(calls, slots).map { call, slot in
        var members: [String: JSON] = ["id": .string(call.id), "name": .string(call.name)]
        switch slot {
        case .step(let step): members["step_id"] = .string(step.id)
        case .plan: members["plan"] = plan?.plan.json
        case .answered(let result): if result.isError { members["refused"] = .string(result.text) }
        }
        return .object(members)
      })
  }

  /// Whether a step is the plan's, and the plan has failed.
  func givesUp(_ stepID: String) -> Bool { plan?.hasFailed == true && planned(stepID) != nil }

  /// The steps that a step of the plan needs, as the run has them, and whether the first needs the second.
  func needed(by stepID: String) -> (steps: [String], needs: @Sendable (String, String) -> Bool)? {
    guard let plan = plan?.plan, let id = planned(stepID) else { return nil }
    let length = suffix.count
    return (
      plan.ancestors(of: id).map { $0 + suffix },
      { plan.needs(String($0.dropLast(length)), String($1.dropLast(length))) }
    )
  }

  /// The id that a step of the plan has there; nil for any other step.
  private func planned(_ stepID: String) -> String? {
    guard let plan = plan?.plan, stepID.hasSuffix(suffix) else { return nil }
    let id = String(stepID.dropLast(suffix.count))
    return plan[id] == nil ? nil : id
  }
}
