import FoundationEssentials
import Metrics
import SimplonCore
import Synchronization

/// The writing side of one run: gathers log lines, and puts them and the run's turns into the database in order.
///
/// Lines may be added from anywhere at any time; ``write(_:)`` and ``flush()`` are called by the run's one loop.
final class RunJournal: Sendable {
  private struct State {
    var lines: [StepLine] = []
    var bytes = 0
    var next: Int64
    var flushed: ContinuousClock.Instant?
    var isDue = false
  }

  /// A full buffer is written without delay.
  private static let fullAt = 65_536
  /// So many lines go the quick way when nothing else is to be written.
  static let bulk = 32
  /// So many are worth a commit of their own before a turn.
  private static let apart = 256
  /// Lines of one write.
  private static let mostLines = 4096
  /// Bytes that a line's row takes beside its text.
  private static let rowSize = 64
  /// The least time between two writes of lines.
  private static let pause = Duration.milliseconds(50)

  private let claim: ClaimedRun
  private let lease: Lease
  private let settler: Settler
  private let wakeUp: WakeUp
  private let inbox: Inbox<RunExecution.Signal>
  private let state: Mutex<State>

  init(
    claim: ClaimedRun, lease: Lease, settler: Settler, wakeUp: WakeUp, inbox: Inbox<RunExecution.Signal>
  ) {
    self.claim = claim
    self.lease = lease
    self.settler = settler
    self.wakeUp = wakeUp
    self.inbox = inbox
    state = Mutex(State(next: claim.nextSeq))
  }

  /// Adds a line of a tool's output.
  ///
  /// The first one after a pause is written at once, the following ones in batches.
  func add(_ line: StepLine) {
    let size = line.line.text.utf8.count + Self.rowSize
    let isDue = state.withLock { state in
      state.lines.append(line)
      state.bytes += size
      guard !state.isDue || state.bytes >= Self.fullAt else { return false }
      state.isDue = true
      return true
    }
    if isDue { inbox.post(.linesDue) }
  }

  /// Writes the gathered lines, if any; or, when the last time was only just now and they are few, gives how long to
  /// wait.
  func flush() async throws -> Duration? {
    let wait: Duration? = state.withLock { state in
      guard !state.lines.isEmpty else { return nil }
      guard let flushed = state.flushed, state.bytes < Self.fullAt else { return .zero }
      return Self.pause - (ContinuousClock.now - flushed)
    }
    guard let wait, wait <= .zero else { return wait }
    try await write(RunTurn())
    return nil
  }

  /// Writes a turn, the lines gathered so far before it.
  ///
  /// Many lines take writes of their own, and several, so that no single one grows without bound.
  func write(_ turn: RunTurn) async throws {
    var lines = takeLines()
    while lines.count >= (turn.isEmpty ? Self.bulk : Self.apart) {
      let part = lines.prefix(Self.mostLines)
      try await send(RunTurn(lines: Array(part)))
      lines.removeFirst(part.count)
    }
    var turn = turn
    turn.lines = lines
    if !turn.isEmpty { try await send(turn) }
  }

  private func send(_ turn: RunTurn) async throws {
    let base = state.withLock { $0.next }
    let next = try await settler.write(
      Settler.Entry(run: claim.held, attempt: claim.attempt, base: base, turn: turn, lease: lease))
    state.withLock { $0.next = next }
    if !turn.lines.isEmpty { Counter(label: "simplon_log_lines_stored_total").increment(by: turn.lines.count) }
    wakeUp.runsChanged([claim.held.id])
  }

  private func takeLines() -> [StepLine] {
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
