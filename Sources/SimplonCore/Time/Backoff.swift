/// How long to wait before each repeat: doubling from a base to a cap, with full jitter above one half.
public struct Backoff: Hashable, Sendable {
  /// The wait before the first repeat, before jitter.
  public var base: Duration
  /// The longest wait, before jitter.
  public var cap: Duration

  /// Makes a policy; `base` is raised to one millisecond and `cap` to `base`.
  public init(base: Duration, cap: Duration) {
    self.base = max(base, .milliseconds(1))
    self.cap = max(cap, self.base)
  }

  /// The wait before repeat number `attempt` (1 is the first): between one half and the whole of the doubled time.
  ///
  /// - Parameters:
  ///   - attempt: 1 or more.
  ///   - jitter: 0 to 1, where in that half.
  /// - Returns: the wait.
  public func delay(attempt: Int, jitter: Double) -> Duration {
    var wait = base
    var doublings = min(attempt, 40) - 1
    while doublings > 0, wait < cap {
      wait *= 2
      doublings -= 1
    }
    return min(wait, cap) * (0.5 + 0.5 * min(max(jitter, 0), 1))
  }

  /// The wait with this generator's randomness.
  public func delay(attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration {
    delay(attempt: attempt, jitter: Double.random(in: 0...1, using: &generator))
  }

  /// The wait with the system's randomness.
  public func delay(attempt: Int) -> Duration { delay(attempt: attempt, jitter: Double.random(in: 0...1)) }
}
