import FoundationEssentials
import SimplonCore
import Synchronization

/// The writing side of one run: gathers log lines, and puts them and the run's turns into the database in order.
///
/// Lines may be added from anywhere at any time; ``write(_:)`` and ``flush()`` are called by the run's one loop.
final class RunJournal: Sendable {
  private struct State {
    var lines: [RunEvent] = []
    var bytes = 0
    var next: Int64
    var flushed: ContinuousClock.Instant?
    var isDue = false
  }

  /// A full buffer is written without delay.
  private static let fullAt = 65_536
  /// The least time between two writes of lines.
  private static let pause = Duration.milliseconds(50)

  private let claim: ClaimedRun
  private let lease: Lease
  private let queue: QueueStore
  private let settler: Settler
  private let wakeUp: WakeUp
  private let inbox: Inbox<RunExecution.Signal>
  private let state: Mutex<State>

  init(
    claim: ClaimedRun, lease: Lease, queue: QueueStore, settler: Settler, wakeUp: WakeUp,
    inbox: Inbox<RunExecution.Signal>
  ) {
    self.claim = claim
    self.lease = lease
    self.queue = queue
    self.settler = settler
    self.wakeUp = wakeUp
    self.inbox = inbox
    state = Mutex(State(next: claim.nextSeq))
  }

  /// Adds a line of a tool's output.
  ///
  /// The first one after a pause is written at once, the following ones in batches.
  func add(_ line: RunEvent) {
    let size = line.payload.utf8.count
    let isDue = state.withLock { state in
      state.lines.append(line)
      state.bytes += size
      guard !state.isDue || state.bytes >= Self.fullAt else { return false }
      state.isDue = true
      return true
    }
    if isDue { inbox.post(.linesDue) }
  }

  /// Writes the gathered lines; or, when the last time was only just now and they are few, gives how long to wait.
  func flush() async throws -> Duration? {
    let (wait, isFull) = state.withLock { state in
      (state.flushed.map { Self.pause - (ContinuousClock.now - $0) } ?? .zero, state.bytes >= Self.fullAt)
    }
    if wait > .zero, !isFull { return wait }
    let lines = takeLines()
    if !lines.isEmpty { try await write(RunTurn(events: lines)) }
    return nil
  }

  /// Writes a turn, the lines gathered so far before it.
  func write(_ turn: RunTurn) async throws {
    var turn = turn
    turn.events = takeLines() + turn.events
    let base = state.withLock { $0.next }
    let next = try await settler.write(
      Settler.Entry(run: claim.held, attempt: claim.attempt, base: base, turn: turn, lease: lease))
    state.withLock { $0.next = next }
    wakeUp.runsChanged([claim.held.id])
  }

  private func takeLines() -> [RunEvent] {
    state.withLock { state in
      defer {
        state.lines = []
        state.bytes = 0
        state.isDue = false
        state.flushed = .now
      }
      return state.lines
    }
  }
}
