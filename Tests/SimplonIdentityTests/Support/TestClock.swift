import Synchronization

/// A clock that stands still until a test moves it.
final class TestClock: Sendable {
  private let seconds = Mutex(1_800_000_000)

  /// Unix seconds.
  @Sendable func now() -> Int { seconds.withLock { $0 } }

  func advance(_ count: Int) { seconds.withLock { $0 += count } }
}
