import FoundationEssentials
import SimplonCore

/// A run and the epoch in which a worker holds it.
struct HeldRun: Hashable, Sendable {
  let id: UUID
  let epoch: Int
}

/// A run as a claim hands it to a worker.
struct ClaimedRun: Sendable {
  let held: HeldRun
  /// The number that the next event of the run gets.
  let nextSeq: Int64
  let attempt: Int
  let userID: UUID?
  /// What a model is asked; nil when there is a plan.
  let prompt: String?
  /// The tools that the run may use; nil means all.
  let tools: [String]?
  /// The connectors that the run may use; nil means all that serve its owner.
  let connectors: [String]?
  /// The model to ask, and no other; nil means those of the configuration in their order.
  let model: String?
  /// JSON text, unread: one run's values must not spoil a claim of many.
  let plan: String?
  let workflow: String?
  /// JSON text, unread.
  let metadata: String

  /// Bytes of what it was asked to do.
  var size: Int { (plan ?? prompt ?? "").utf8.count + metadata.utf8.count }
}

/// A step of the attempt as an earlier holder left it.
struct StepRecord: Sendable {
  let id: String
  let status: StepStatus
  let output: JSON?
  let error: JSON?
  /// How often it failed and was to be repeated.
  let failures: Int
  let layerHash: String?
  /// What is left of the wait before it is repeated; nil when it waits for no repeat.
  var retryIn: Duration?
  /// How far its call had come: see `agent_steps.effect`.
  var effect = "none"
  /// What a person said to its question, or that nobody did in time.
  var response: JSON?

  /// Whether it waits for a person.
  var isQuestion: Bool { status == .waiting && effect == "intent" }

  /// Whether its call had been begun, and nothing says how it ended.
  var mayHaveHappened: Bool { effect == "dispatched" || effect == "unknown" }
}

/// An event to be written.
struct RunEvent: Sendable, Hashable {
  var level = "info"
  let kind: String
  let payload: JSON
}

extension [StepRecord] {
  /// The steps that are over, by id.
  var settled: [String: SettledStep] {
    var settled = [String: SettledStep]()
    for record in self where record.status.isSettled {
      settled[record.id] = SettledStep(status: record.status, output: record.output, error: record.error)
    }
    return settled
  }
}
