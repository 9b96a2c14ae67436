import SimplonCore

/// Whether a model may be asked now, learned from how it has answered: a pure machine, errors and times go in.
///
/// After three failures in a row nobody asks for a while, then one caller tries. What a vendor says about when to come
/// back holds at once, and for everybody.
struct ModelBreaker: Sendable {
  typealias Instant = ContinuousClock.Instant

  /// Failures in a row after which nobody asks for a while.
  static let threshold = 3
  /// How long that is: two seconds, doubling up to a minute.
  static let pause = Backoff(base: .seconds(2), cap: .seconds(60))
  /// How long to wait for whoever tries.
  static let trialPause = Duration.seconds(10)

  private var failures = 0
  private var opensAt: Instant?
  private var isTried = false

  /// Asks to be let in; nil is a yes, else it is how long to wait at least.
  ///
  /// A yes must be answered with ``succeeded()``, ``failed(_:at:jitter:)`` or ``abandoned()``.
  mutating func enter(at now: Instant) -> Duration? {
    if let opensAt, now < opensAt { return opensAt - now }
    guard failures >= Self.threshold else { return nil }
    guard !isTried else { return Self.trialPause }
    isTried = true
    return nil
  }

  /// Whether nobody is let in just now.
  func isClosed(at now: Instant) -> Bool {
    opensAt.map { now < $0 } ?? false || failures >= Self.threshold && isTried
  }

  /// It has answered.
  ///
  /// A time to wait that another caller was told of meanwhile still holds.
  mutating func succeeded() {
    failures = 0
    isTried = false
  }

  /// The caller went away before there was an answer.
  mutating func abandoned() { isTried = false }

  /// It has failed.
  ///
  /// - Parameters:
  ///   - error: how; one that no time mends, such as a refused key, closes no door, so that it is known when a person has.
  ///   - now: when.
  ///   - jitter: 0 to 1.
  mutating func failed(_ error: SimplonError, at now: Instant, jitter: Double) {
    isTried = false
    switch error.retry {
    case .after(let wait): opensAt = Swift.max(opensAt ?? now, now + wait)
    case .backoff:
      // What cannot be read may be one run's alone.
      guard error.code != .modelProtocol else { return }
      failures += 1
      guard failures >= Self.threshold else { return }
      let pause = Self.pause.delay(attempt: failures - Self.threshold + 1, jitter: jitter)
      opensAt = Swift.max(opensAt ?? now, now + pause)
    case .never: succeeded()
    }
  }
}
