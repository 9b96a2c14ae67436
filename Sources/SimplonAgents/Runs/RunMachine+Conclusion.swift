import FoundationEssentials
import SimplonCore

extension RunMachine {
  /// Nothing is at work: the run ends, is handed back, or waits.
  mutating func conclude(_ turn: inout RunTurn) {
    if !unknown.isEmpty {
      concludeUnknown(&turn)
    } else if let capped {
      turn.outcome = .waiting(reason: capped)
    } else if draining, !progress.next().isEmpty {
      // A draining run takes no decisions any more: what there is left to decide is the next holder's.
      turn.outcome = .queued
    } else if let outcome = progress.outcome, children.isEmpty {
      switch outcome {
      case .completed(let result): turn.outcome = .completed(result: result)
      case .failed(let error):
        turn.outcome = .failed(error: error.json)
        for id in leftovers.sorted() {
          guard let step = progress[id] else { continue }
          turn.put(
            StepRow(
              step: step, status: .cancelled, effect: effect(ofLeaving: step) ?? "none",
              failures: failures[id, default: 0]))
        }
      }
    } else if parksForPerson, let reason = questions.reason({ progress.position(of: $0) }) {
      // The database queues it for the first response, and for the first moment at which there is something to do.
      turn.outcome = .waiting(reason: reason)
    } else if draining {
      turn.outcome = .queued
    } else if let (_, wait) = waiting.min(by: { ($0.value.delay, $0.key) < ($1.value.delay, $1.key) }) {
      if wait.delay > Self.longestHeldWait {
        turn.outcome = .retrying(reason: wait.reason, delay: wait.delay)
      } else if !showsRetrying {
        showsRetrying = true
        turn.outcome = .hold(status: "retrying", reason: wait.reason)
      }
    } else if !children.isEmpty {
      turn.outcome = .waiting(reason: Self.childRuns(children))
    }
  }

  /// Whether there is nothing to do but what waits for a person, or for longer than a lease is held.
  private var parksForPerson: Bool {
    draining
      ? leftovers.isSubset(of: questions.open.keys)
      : !waiting.values.contains { $0.delay <= Self.longestHeldWait }
  }

  /// A person has to look, as nothing is repeated blindly.
  private func concludeUnknown(_ turn: inout RunTurn) {
    let ids = unknown.sorted()
    let error = SimplonError(
      .runUnknownEffect, "Nobody knows whether \(ids.map { "\"\($0)\"" }.joined(separator: ", ")) had its effect.",
      hint: "Find out, and say it on the live page, with the action \"respond\", or: simplon runs respond RUN --step "
        + "\(ids.first ?? "ID") --happened, or --again to do it again",
      details: ["steps": .array(ids.map(JSON.string))])
    for id in ids {
      guard let step = progress[id] else { continue }
      turn.put(
        StepRow(step: step, status: .waiting, effect: "unknown", error: error.json, failures: failures[id, default: 0]))
      turn.events.append(.step(id, .waiting, ["error": error.json], level: "warn"))
    }
    turn.outcome = .waiting(reason: error.json)
  }

  static let sandbox: JSON = [
    "code": "sandbox", "message": "The step waits for a free sandbox; users take turns.",
  ]

  static func childRuns(_ children: [String: UUID]) -> JSON {
    let runs = children.sorted { $0.key < $1.key }.prefix(20).map { step, run -> JSON in
      ["step_id": .string(step), "run_id": .string(run.uuidString.lowercased())]
    }
    return [
      "code": "child_run",
      "message": .string(
        children.count == 1 ? "It waits for a child run." : "It waits for \(children.count) child runs."),
      "details": ["children": .array(runs), "count": .integer(children.count)],
    ]
  }

  static func backoff(_ id: String, _ delay: Duration) -> JSON {
    [
      "code": "backoff", "message": .string("Step \"\(id)\" failed and is repeated after \(delay.short)."),
      "details": ["step_id": .string(id), "retry_in_ms": .integer(delay.milliseconds)],
    ]
  }
}
