import CSandboxGuard
import Synchronization

/// How long this worker may still act for a run, shared by all of the run's sandboxes.
///
/// The worker extends it after each confirmed heartbeat. Each sandbox's guard kills its sandbox at the deadline by
/// itself, so it does so in time also when the worker is paused. A lease never gets shorter, but it can be revoked.
package final class Lease: Sendable {
  private struct State {
    var deadline: UInt64 = 0
    var isRevoked = false
    var watchers = [Int: AsyncStream<UInt64>.Continuation]()
    var next = 0
  }

  private let state = Mutex(State())
  /// Of what it is the lease; empty where it is nobody's.
  package let name: String

  /// Makes a lease that has run out; extend it before the first use.
  package init(name: String = "") { self.name = name }

  /// The clock of every deadline: nanoseconds that go on while the machine sleeps (`CLOCK_BOOTTIME`).
  ///
  /// Read it before a heartbeat is sent and count the lease from there: the database did so no earlier.
  package static func now() -> UInt64 { simplon_guard_clock() }

  /// When it ends, on ``now()``'s clock; 0 when revoked.
  package var deadline: UInt64 { state.withLock { $0.isRevoked ? 0 : $0.deadline } }

  /// Whether it still runs.
  package var isValid: Bool { deadline > Self.now() }

  /// Moves the end to a later time; an earlier one changes nothing.
  ///
  /// - Parameter deadline: nanoseconds on ``now()``'s clock.
  package func extend(untilMonotonicNanoseconds deadline: UInt64) {
    state.withLock { state in
      guard !state.isRevoked, deadline > state.deadline else { return }
      state.deadline = deadline
      for watcher in state.watchers.values { watcher.yield(deadline) }
    }
  }

  /// Moves the end to a time after an earlier moment: what ``now()`` gave before the heartbeat was sent.
  package func extend(by time: Duration, from moment: UInt64) {
    extend(
      untilMonotonicNanoseconds: moment &+ UInt64(max(0, min(time.components.seconds, 1_000_000_000))) * 1_000_000_000
        &+ UInt64(max(0, time.components.attoseconds / 1_000_000_000)))
  }

  /// Ends it at once and for good: every sandbox under it is killed.
  package func revoke() {
    state.withLock { state in
      state.isRevoked = true
      for watcher in state.watchers.values { watcher.yield(0) }
    }
  }

  /// The deadline now and each later one; a slow reader gets only the newest.
  ///
  /// Ends with its reader.
  func deadlines() -> AsyncStream<UInt64> {
    let (stream, continuation) = AsyncStream.makeStream(of: UInt64.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.next += 1
      state.watchers[state.next] = continuation
      continuation.yield(state.isRevoked ? 0 : state.deadline)
      return state.next
    }
    continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.watchers.removeValue(forKey: id) } }
    return stream
  }
}
