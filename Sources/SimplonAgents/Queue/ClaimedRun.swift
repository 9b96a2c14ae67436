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
  let hasPrompt: Bool
  /// JSON text, unread: one run's values must not spoil a claim of many.
  let plan: String?
  let workflow: String?
  /// JSON text, unread.
  let metadata: String
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
}

/// An event to be written.
struct RunEvent: Sendable, Hashable {
  var level = "info"
  let kind: String
  let payload: JSON
}
