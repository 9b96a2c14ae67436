import FoundationEssentials
import Logging
import SimplonCore

/// Writes what runs have to write, many runs in one commit.
///
/// While one batch is under way, the writes of all other runs gather for the next: the busier the worker, the fewer
/// commits per step. A write is retried while the database is away, until the run's lease has ended; that is safe, as a
/// write carries the number its first event gets and so is done at most once.
actor Settler {
  /// One run's share of a batch.
  struct Entry: Sendable {
    let run: HeldRun
    let attempt: Int
    /// The number that the first of the events gets.
    let base: Int64
    let turn: RunTurn
    let lease: Lease

    /// Nothing but lines, and many: these go the quick way, by themselves.
    var isBulk: Bool {
      turn.lines.count >= RunJournal.bulk && turn.rows.isEmpty && turn.events.isEmpty && turn.artifacts.isEmpty
        && turn.messages.isEmpty && turn.bills.isEmpty && turn.outcome == nil
    }

    /// About how many bytes it has to carry.
    var size: Int {
      turn.rows.reduce(0) { $0 + ($1.input?.size ?? 0) + ($1.output?.size ?? 0) }
        + turn.lines.reduce(0) { $0 + $1.line.text.utf8.count } + turn.events.reduce(0) { $0 + $1.payload.size }
        + turn.artifacts.reduce(0) { $0 + $1.size }
        + turn.messages.reduce(0) { $0 + $1.content.size + ($1.raw?.count ?? 0) } + (turn.outcome?.json.size ?? 0)
    }

    /// The number that the next event of the run gets.
    var next: Int64 { base + Int64(turn.lines.count + turn.events.count) }

    var json: JSON {
      var members: [String: JSON] = [
        "run_id": .string(run.id.uuidString), "epoch": .integer(run.epoch), "base": .integer(base),
        "attempt": .integer(attempt),
      ]
      if !turn.rows.isEmpty { members["steps"] = .array(turn.rows.map(\.json)) }
      let events = turn.lines.map(\.event) + turn.events
      if !events.isEmpty { members["events"] = .array(events.map(\.json)) }
      if !turn.artifacts.isEmpty { members["artifacts"] = .array(turn.artifacts) }
      if !turn.messages.isEmpty { members["messages"] = .array(turn.messages.map(\.json)) }
      members["outcome"] = turn.outcome?.json
      return .object(members)
    }

    /// The ends of its requests to models, as `simplon.settle_model_calls` takes them.
    var bill: JSON {
      [
        "run_id": .string(run.id.uuidString), "epoch": .integer(run.epoch), "next": .integer(next),
        "calls": .array(turn.bills.map(\.json)),
      ]
    }
  }

  private struct Waiter {
    let entry: Entry
    let continuation: CheckedContinuation<Int64, any Error>
  }

  /// Batches that may be under way at once: a second one keeps the database busy while the first one commits.
  private static let mostAtOnce = 2
  /// Entries in one batch.
  private static let mostEntries = 256
  /// Bytes from which a batch takes no further entry.
  private static let fullAt = 8 << 20

  private let store: HeldRunStore
  private let logger: Logger
  private var waiters: [Waiter] = []
  private(set) var underWay = 0

  init(store: HeldRunStore, logger: Logger) {
    self.store = store
    self.logger = logger
  }

  /// Writes one run's turn; gives the number its next event gets.
  ///
  /// - Throws: `run.stale` when the run is held by another; `database.*` when it could not be written before the lease
  ///   ended.
  func write(_ entry: Entry) async throws -> Int64 {
    try await withCheckedThrowingContinuation { continuation in
      waiters.append(Waiter(entry: entry, continuation: continuation))
      pump()
    }
  }

  /// How many writes gather for the next batch.
  var gathered: Int { waiters.count }

  private func pump() {
    while underWay < Self.mostAtOnce, !waiters.isEmpty {
      var size = 0
      // A run has two where its lease was lost and it was taken up again: what was written is told of by run alone.
      var runs = Set<UUID>()
      let small = waiters.prefix(Self.mostEntries).prefix { waiter in
        defer { size += waiter.entry.size }
        return !waiter.entry.isBulk && size < Self.fullAt && runs.insert(waiter.entry.run.id).inserted
      }
      let batch = small.isEmpty ? [waiters[0]] : Array(small)
      waiters.removeFirst(batch.count)
      underWay += 1
      // The batch's callers wait for it, so this task ends before they do.
      Task {
        await flush(batch)
        underWay -= 1
        pump()
      }
    }
  }

  private func flush(_ batch: [Waiter]) async {
    var open = batch
    var attempt = 0
    while !open.isEmpty {
      do {
        let written = try await store.write(open.map(\.entry))
        open = open.filter { waiter in
          guard let next = written[waiter.entry.run.id] else { return true }
          waiter.continuation.resume(returning: next)
          return false
        }
        if !open.isEmpty { try await sortOut(open) }
        open = []
      } catch let error as SimplonError where error.isFinal {
        guard open.count > 1 else { return open[0].continuation.resume(throwing: error) }
        // One run's values were refused: let each stand for itself.
        for waiter in open { await flush([waiter]) }
        return
      } catch {
        attempt += 1
        logger.warning("settling waits for the database", metadata: ["error": "\(error)", "attempt": "\(attempt)"])
        open = open.filter { waiter in
          guard !waiter.entry.lease.isValid else { return true }
          waiter.continuation.resume(throwing: error)
          return false
        }
        try? await Task.sleep(for: Backoff(base: .milliseconds(20), cap: .seconds(1)).delay(attempt: attempt))
      }
    }
  }

  /// Entries that were left out: an earlier try had arrived, or the run is lost.
  private func sortOut(_ left: [Waiter]) async throws {
    let positions = try await store.positions(of: left.map(\.entry.run.id))
    for waiter in left {
      let entry = waiter.entry
      if let position = positions[entry.run.id], position.epoch == entry.run.epoch, position.next == entry.next {
        waiter.continuation.resume(returning: entry.next)
      } else {
        waiter.continuation.resume(throwing: SimplonError.stale(entry.run))
      }
    }
  }
}

extension SimplonError {
  /// Whether sending the same write again is pointless: its own values are refused.
  ///
  /// Whatever else is wrong with a database, slowness included, may pass; and a write is done at most once.
  var isFinal: Bool {
    [.databaseConstraint, .databaseQuery, .databaseDecoding, .requestInvalid, .requestTooLarge].contains(code)
  }

  static func stale(_ run: HeldRun) -> SimplonError {
    SimplonError(.runStale, "run \(run.id.uuidString.lowercased()) is no longer held in epoch \(run.epoch)")
  }
}
