import Metrics
import NIOCore
import ServiceLifecycle
import SimplonCore
import Synchronization

/// Cuts off a reader that takes nothing for too long.
final class StallWatch: Sendable {
  /// How long a reader may take nothing once the server stops: nobody waits for one that is asleep.
  private static let limitAtStop = Duration.seconds(2)

  private struct State {
    var waitingSince: ContinuousClock.Instant?
    var limit: Duration
    var timer: RepeatedTask?
  }

  private let channel: any Channel
  private let stalled: Counter
  private let state: Mutex<State>

  /// Watches until ``stop()``.
  ///
  /// - Parameters:
  ///   - channel: the reader's connection, which is closed when the reader takes nothing.
  ///   - limit: how long it may.
  ///   - stalled: counts those that were cut off.
  init(channel: any Channel, limit: Duration, stalled: Counter) {
    self.channel = channel
    self.stalled = stalled
    self.state = Mutex(State(limit: limit))
    look(every: limit)
  }

  /// Notes whether something waits for the reader.
  func note(isWaiting: Bool) { state.withLock { $0.waitingSince = isWaiting ? .now : nil } }

  /// Waits for graceful shutdown, and has no more patience then; ends when its task is cancelled.
  func hurryAtStop() async {
    guard (try? await gracefulShutdown()) != nil else { return }
    let limit = state.withLock { state in
      state.limit = min(state.limit, Self.limitAtStop)
      return state.limit
    }
    look(every: limit)
  }

  /// Ends the watch.
  func stop() {
    state.withLock {
      $0.timer?.cancel()
      $0.timer = nil
    }
  }

  private func look(every limit: Duration) {
    let interval = TimeAmount.milliseconds(max(1, limit.milliseconds / 4))
    let timer = channel.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] timer in
      let isStalled = state.withLock { state in state.waitingSince.map { .now - $0 >= state.limit } ?? false }
      guard isStalled else { return }
      timer.cancel()
      stalled.increment()
      channel.close(promise: nil)
    }
    state.withLock {
      $0.timer?.cancel()
      $0.timer = timer
    }
  }
}
