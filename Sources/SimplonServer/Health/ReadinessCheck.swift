import SimplonAgents

/// Asks whether the server can work, at most once a second however many want to know.
actor ReadinessCheck {
  /// What was found, and how long finding it took.
  typealias Answer = (readiness: Readiness, took: Duration)

  private let probe: @Sendable () async -> Readiness
  private let now: @Sendable () -> ContinuousClock.Instant
  private var last: (at: ContinuousClock.Instant, answer: Answer)?
  private var asking: Task<Answer, Never>?

  /// Takes the question; `now` is the time, or a test's.
  init(
    _ probe: @escaping @Sendable () async -> Readiness,
    now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
  ) {
    self.probe = probe
    self.now = now
  }

  /// The answer of the last second, or a new one.
  func answer() async -> Answer {
    if let last, now() - last.at < .seconds(1) { return last.answer }
    if let asking { return await asking.value }
    // Not a child task: it serves all who wait, also when the one who began is cancelled. The probe's time is limited.
    let task = Task { [probe, now] () -> Answer in
      let start = now()
      let readiness = await probe()
      return (readiness: readiness, took: now() - start)
    }
    asking = task
    let answer = await task.value
    asking = nil
    last = (now(), answer)
    return answer
  }
}
