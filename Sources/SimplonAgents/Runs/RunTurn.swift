import FoundationEssentials
import SimplonCore

/// What one turn of a run's machine asks for: one write, then starts and waits.
struct RunTurn: Sendable {
  /// Lines of tools; they come before the events.
  var lines: [StepLine] = []
  var rows: [StepRow] = []
  var events: [RunEvent] = []
  var artifacts: [JSON] = []
  var messages: [RunMessage] = []
  /// Requests to models that are settled with it.
  var bills: [ModelCallEnd] = []
  /// What is reserved with it for the question that it begins.
  var reservation: EarlyReservation?
  var outcome: RunOutcome?
  var starts: [StepStart] = []
  var waits: [(stepID: String, delay: Duration)] = []

  var isEmpty: Bool {
    lines.isEmpty && rows.isEmpty && events.isEmpty && messages.isEmpty && bills.isEmpty && outcome == nil
  }

  /// Adds a step's row, in the place of one that the turn has of it already: a write takes one row of a step.
  mutating func put(_ row: StepRow) {
    guard let index = rows.lastIndex(where: { $0.step.id == row.step.id }) else { return rows.append(row) }
    var row = row
    row.input = row.input ?? rows[index].input
    // Only a beginning has an input: a step that has waited for its sandbox is running, too.
    row.beginsHere = rows[index].beginsHere || rows[index].status == .running && rows[index].input != nil
    rows[index] = row
  }

  /// Takes out the starts that need not wait for the write: calls without a trace, in a turn with a model's answer.
  mutating func takeEarlyStarts() -> [StepStart] {
    guard !bills.isEmpty else { return [] }
    defer { starts.removeAll(where: \.leavesNoTrace) }
    return starts.filter(\.leavesNoTrace)
  }

  /// Adds the turn that came next, for one write of both; nothing is reserved yet.
  mutating func add(_ next: RunTurn) {
    lines += next.lines
    for row in next.rows { put(row) }
    events += next.events
    artifacts += next.artifacts
    messages += next.messages
    bills += next.bills
    outcome = next.outcome ?? outcome
    starts += next.starts
    waits += next.waits
  }
}

/// A step to begin once its dispatch has been committed, or before, if it leaves no trace.
struct StepStart: Sendable {
  let step: Plan.Step
  let input: JSON
  /// What to ask the model, when the step asks one.
  var request: ModelRequest?

  /// Whether nothing is left of the call but its output, so that whoever comes after a crash need not know of it.
  var leavesNoTrace: Bool { request == nil && !step.declaration.usesFiles && step.effect == .pure }
}

/// What becomes of the run with a turn's write.
enum RunOutcome: Sendable, Hashable {
  case completed(result: JSON?)
  case failed(error: JSON)
  /// Handed back for any worker to take.
  case queued
  /// Waits for something that is no timer; `simplon` or a person queues it again.
  case waiting(reason: JSON)
  /// Waits out a backoff without a lease.
  case retrying(reason: JSON, delay: Duration)
  /// Only the status changes; the lease is kept.
  case hold(status: String, reason: JSON?)

  /// Whether the worker's hold on the run ends with it.
  var releases: Bool { if case .hold = self { false } else { true } }

  /// Whether the run is over.
  var isFinal: Bool {
    switch self {
    case .completed, .failed: true
    default: false
    }
  }

  /// The outcome as `simplon.settle_steps` takes it.
  var json: JSON {
    switch self {
    case .completed(let result): ["status": "completed", "result": result ?? .null]
    case .failed(let error): ["status": "failed", "error": error]
    case .queued: ["status": "queued", "ready_in_ms": 0]
    case .waiting(let reason): ["status": "waiting", "reason": reason]
    case .retrying(let reason, let delay):
      ["status": "retrying", "reason": reason, "ready_in_ms": .integer(delay.milliseconds)]
    case .hold(let status, let reason): ["status": .string(status), "reason": reason ?? .null, "hold": true]
    }
  }

  /// The events that announce it.
  var events: [RunEvent] {
    switch self {
    case .completed: [RunEvent(kind: "done", payload: ["status": "completed"])]
    case .failed(let error):
      [RunEvent(level: "error", kind: "done", payload: ["status": "failed", "error": error])]
    case .queued: [RunEvent(kind: "status", payload: ["status": "queued", "cause": "handed_back"])]
    case .waiting(let reason): [RunEvent(kind: "status", payload: ["status": "waiting", "reason": reason])]
    case .retrying(let reason, _): [RunEvent(kind: "status", payload: ["status": "retrying", "reason": reason])]
    case .hold(let status, let reason):
      [
        RunEvent(
          kind: "status",
          payload: reason.map { ["status": .string(status), "reason": $0] } ?? ["status": .string(status)])
      ]
    }
  }
}

/// A step's row as `simplon.settle_steps` takes it.
struct StepRow: Sendable {
  let step: Plan.Step
  /// The step's place in the run, from 1.
  var position = 0
  let status: StepStatus
  /// Whether its beginning is in this write too, though the status says what came after.
  var beginsHere = false
  var effect = "none"
  var input: JSON?
  var output: JSON?
  var error: JSON?
  var failures = 0
  /// How long it waits before it is repeated.
  var retryIn: Duration?
  var layerHash: String?

  var json: JSON {
    var members: [String: JSON] = [
      "step_id": .string(step.id), "tool": .string(step.tool), "status": .string(status.rawValue),
      "effect": .string(effect), "position": .integer(position),
    ]
    if beginsHere { members["begun"] = true }
    members["input"] = input
    members["output"] = output
    members["error"] = error
    if failures > 0 { members["failures"] = .integer(failures) }
    members["retry_in_ms"] = retryIn.map { .integer($0.milliseconds) }
    members["layer"] = layerHash.map(JSON.string)
    return .object(members)
  }
}

extension RunEvent {
  static func step(_ id: String, _ status: StepStatus, _ more: [String: JSON], level: String = "info") -> RunEvent {
    var payload = more
    payload["step_id"] = .string(id)
    payload["status"] = .string(status.rawValue)
    return RunEvent(level: level, kind: "step", payload: .object(payload))
  }

  /// The event as `simplon.settle_steps` takes it.
  var json: JSON {
    level == "info"
      ? ["kind": .string(kind), "payload": payload]
      : ["kind": .string(kind), "payload": payload, "level": .string(level)]
  }
}
