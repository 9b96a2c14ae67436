import SimplonCore

/// What decides which steps a run takes and how it ends: a plan, or the supervisor of a conversation with a model.
///
/// Call ``next()`` at first and after each settled step, carry out its decisions, then read ``outcome``. A step is decided
/// once; skipped and failed decisions are settled already.
protocol RunProgress: Sendable {
  /// How the run ended; nil while a step runs or ``next()`` has something to say.
  var outcome: PlanProgress.Outcome? { get }
  /// The patterns of the files to keep, as ``Glob`` reads them.
  var artifacts: [String] { get }

  /// What to do now; empty when there is nothing but waiting.
  mutating func next() -> [PlanProgress.Decision]
  /// Takes in how a dispatched step ended, and what a model said in it; any other step is ignored.
  mutating func settle(_ stepID: String, as step: SettledStep, saying reply: ModelReply?)
  /// The messages since the last time, which are written with what came of them.
  mutating func takeMessages() -> [RunMessage]

  /// The step of that id, which may be one of an earlier holder's.
  subscript(id: String) -> Plan.Step? { get }
  /// The step's place in the run, from 1.
  func position(of stepID: String) -> Int
  /// Whether a step that waits to be repeated is not repeated after all.
  func givesUp(_ stepID: String) -> Bool
  /// What to ask the model in a step that asks one; nil for any other step.
  func request(of stepID: String) -> ModelRequest?
  /// The files that a step begins with, or at nil those that the run ends with.
  func files(before stepID: String?) -> RunFiles
}

/// Whose files are seen at one point of a run.
struct RunFiles: Sendable {
  /// The steps whose layers are joined, each after those whose files it replaces.
  let steps: [String]
  /// Whether the first one's files replace the second one's; two that do not must agree.
  let replaces: @Sendable (String, String) -> Bool
}

extension PlanProgress: RunProgress {
  var artifacts: [String] { plan.artifacts }

  mutating func settle(_ stepID: String, as step: SettledStep, saying reply: ModelReply?) { settle(stepID, as: step) }
  func takeMessages() -> [RunMessage] { [] }

  subscript(id: String) -> Plan.Step? { plan[id] }
  func position(of stepID: String) -> Int { plan.position(of: stepID).map { $0 + 1 } ?? 0 }
  func givesUp(_ stepID: String) -> Bool { hasFailed }
  func request(of stepID: String) -> ModelRequest? { nil }

  func files(before stepID: String?) -> RunFiles {
    let plan = plan
    return RunFiles(steps: stepID.map(plan.ancestors) ?? plan.graph.order.map { plan.steps[$0].id }) {
      plan.needs($0, $1)
    }
  }
}
