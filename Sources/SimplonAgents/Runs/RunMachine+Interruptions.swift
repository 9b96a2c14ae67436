import SimplonCore

extension RunMachine {
  /// A step that did not come to its end is begun again and no failure is counted.
  mutating func interrupt(_ end: StepEnd, in turn: inout RunTurn) {
    guard takeBack(end.stepID), let step = progress[end.stepID], let error = end.error else { return }
    guard step.effect != .manual else {
      unknown.insert(step.id)
      return
    }
    guard !draining else {
      // Its row says that it is under way: the next holder does it again.
      leftovers.insert(step.id)
      underWay.insert(step.id)
      return
    }
    guard error.code != .runBudget else { return cap(step, error, in: &turn) }
    interruptions[step.id, default: 0] += 1
    // In the row, so that the next holder goes on counting.
    if error.code == .modelProtocol { failures[step.id, default: 0] += 1 }
    guard error.code != .modelProtocol || failures[step.id, default: 0] < Self.mostMisunderstandings else {
      return settle(step, as: SettledStep(status: .failed, error: error.json), in: &turn)
    }
    let delay = delay(after: error, attempt: interruptions[step.id, default: 1], jitter: end.jitter)
    let reason: JSON = [
      "code": .string(error.code.rawValue),
      "message": .string("Step \"\(step.id)\" is begun again after \(delay.short): \(error.message)."),
      "hint": error.hint.map(JSON.string) ?? .null,
      "details": ["step_id": .string(step.id), "retry_in_ms": .integer(delay.milliseconds)],
    ]
    wait(
      step, for: delay, reason: reason, last: SettledStep(status: .failed, error: error.json), effect: "none",
      in: &turn)
  }

  /// A question that its budget does not allow now; another holder puts it again.
  private mutating func cap(_ step: Plan.Step, _ error: SimplonError, in turn: inout RunTurn) {
    leftovers.insert(step.id)
    capped = [
      "code": "budget", "message": .string("The run waits for its budget: \(error.message)."),
      "hint": error.hint.map(JSON.string) ?? .null, "details": error.details ?? .null,
    ]
    turn.put(StepRow(step: step, status: .waiting, error: error.json, failures: failures[step.id, default: 0]))
    turn.events.append(.step(step.id, .waiting, ["error": error.json], level: "warn"))
  }

  private func delay(after error: SimplonError, attempt: Int, jitter: Double) -> Duration {
    if case .after(let wait) = error.retry {
      // Not all at one moment; and a server that always says "in a moment" is asked more and more seldom.
      let least = Backoff(base: .milliseconds(100), cap: .seconds(5)).delay(attempt: attempt, jitter: jitter)
      return max(least, wait + min(wait, .seconds(10)) * jitter)
    }
    let base: Duration =
      switch error.code {
      case .runStale, .runInterrupted: .milliseconds(200)
      case let code where code.rawValue.hasPrefix("model."): .seconds(1)
      default: Self.faultWait
      }
    return Backoff(base: base, cap: .seconds(60)).delay(attempt: attempt, jitter: jitter)
  }

  mutating func wait(
    _ step: Plan.Step, for delay: Duration, reason: JSON, last: SettledStep, effect: String, in turn: inout RunTurn
  ) {
    let failed = failures[step.id, default: 0]
    waiting[step.id] = Wait(delay: delay, reason: reason, last: last)
    if delay <= Self.longestHeldWait { turn.waits.append((step.id, delay)) }
    turn.put(
      StepRow(
        step: step, status: .waiting, effect: effect, output: last.output, error: last.error, failures: failed,
        retryIn: delay))
    turn.events.append(
      .step(
        step.id, .waiting,
        [
          "failures": .integer(failed), "retry_in_ms": .integer(delay.milliseconds), "error": last.error ?? .null,
        ],
        level: "warn"))
  }
}
