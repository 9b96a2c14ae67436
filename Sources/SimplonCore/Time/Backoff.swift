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
  public func delay(attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration {
    var wait = base
    for _ in 1..<max(2, min(attempt, 40)) where attempt > 1 && wait < cap { wait *= 2 }
    wait = min(wait, cap)
    return .milliseconds(Int64.random(in: (wait.milliseconds / 2)...max(wait.milliseconds, 1), using: &generator))
  }

  /// The wait with the system's randomness.
  public func delay(attempt: Int) -> Duration {
    var generator = SystemRandomNumberGenerator()
    return delay(attempt: attempt, using: &generator)
  }
}
