import Synchronization

/// Keeps what arrived for one reader; a reader that is too slow loses its mail and is told so.
final class Mailbox: Sendable {
  private struct State {
    var mail = [PostgresNotification]()
    var isFinished = false
    var failure: (any Error)?
    var reader: CheckedContinuation<PostgresNotification?, any Error>?
  }

  private let state = Mutex(State())
  private let capacity: Int

  init(capacity: Int = 4096) { self.capacity = capacity }

  func put(_ notification: PostgresNotification) {
    let reader = state.withLock { state in
      if let reader = state.reader {
        state.reader = nil
        return Optional(reader)
      }
      if state.mail.count >= capacity {
        state.mail = [.mayHaveMissed]
      } else {
        state.mail.append(notification)
      }
      return nil
    }
    reader?.resume(returning: notification)
  }

  /// Ends the sequence once what has arrived is read, with an error if there is one.
  func finish(_ failure: (any Error)?) {
    let reader = state.withLock { state in
      state.isFinished = true
      state.failure = failure
      defer { state.reader = nil }
      return state.reader
    }
    if let failure { reader?.resume(throwing: failure) } else { reader?.resume(returning: nil) }
  }

  func next() async throws -> PostgresNotification? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let answer: Result<PostgresNotification?, any Error>? = state.withLock { state in
          if !state.mail.isEmpty { return .success(state.mail.removeFirst()) }
          if let failure = state.failure { return .failure(failure) }
          if state.isFinished { return .success(nil) }
          state.reader = continuation
          return nil
        }
        if let answer { continuation.resume(with: answer) }
      }
    } onCancel: {
      finish(CancellationError())
    }
  }
}
