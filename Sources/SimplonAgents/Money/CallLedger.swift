import FoundationEssentials
import SimplonCore
import Synchronization

/// Keeps account of one step's requests to models: each is reserved before it is sent, and its end is written with the
/// step.
final class CallLedger: Sendable {
  private static let backoff = Backoff(base: .milliseconds(20), cap: .seconds(1))

  private let store: LedgerStore
  private let claim: ClaimedRun
  private let stepID: String
  private let lease: Lease
  private let early: EarlyReservation?
  private let ended = Mutex<[ModelCallEnd]>([])

  init(store: LedgerStore, claim: ClaimedRun, stepID: String, lease: Lease, early: EarlyReservation? = nil) {
    self.store = store
    self.claim = claim
    self.stepID = stepID
    self.lease = lease
    self.early = early
  }

  /// What came of the requests so far.
  var ends: [ModelCallEnd] {
    if let taken = early?.take() { end(ModelCallEnd(unsent: taken.id)) }
    return ended.withLock { $0 }
  }

  /// Reserves about what a request may cost, and tries again while the database is away and the lease holds.
  ///
  /// - Returns: the reservation's id, for ``end(_:)``.
  /// - Throws: `run.budget`, `model.no_price`, `run.stale`; `database.*`; `run.interrupted` when the task is cancelled.
  func reserve(_ request: ModelRequest, for model: ModelName) async throws(SimplonError) -> UUID {
    if let taken = early?.take() {
      if taken.model == model { return taken.id }
      end(ModelCallEnd(unsent: taken.id))
    }
    let id = UUID()
    var attempt = 0
    while true {
      do {
        try await store.reserve(
          LedgerStore.reservation(
            id, for: claim.held, attempt: claim.attempt, stepID: stepID, model: model, tokens: request.reckonedTokens,
            unbilled: ends.filter { $0.basis == .unbilled }))
        return id
      } catch {
        guard !(error is CancellationError), !Task.isCancelled else {
          throw SimplonError(.runInterrupted, "the question was stopped before it was put", cause: error)
        }
        let error = SimplonError(wrapping: error)
        guard error.code.rawValue.hasPrefix("database."), !error.isFinal, lease.isValid else { throw error }
        attempt += 1
        try? await Task.sleep(for: Self.backoff.delay(attempt: attempt))
      }
    }
  }

  /// Takes in how a request ended.
  func end(_ end: ModelCallEnd) { ended.withLock { $0.append(end) } }
}

extension ModelRequest {
  /// How many tokens it may take: of the input about, and of the output at most.
  var reckonedTokens: (input: Int, output: Int) { (reckonedInputTokens, maximumOutputTokens) }

  /// How many tokens the input is reckoned to have: about, and rather too many.
  ///
  /// One takes three to four bytes of what people and programs write, and fewer of text like base64: then the usage is
  /// above what was reserved. It is booked as it is, and the next question finds a cap that was passed.
  var reckonedInputTokens: Int {
    (system.utf8.count + tools.reduce(0) { $0 + $1.size } + messages.reduce(0) { $0 + $1.size } + 2) / 3
  }
}
