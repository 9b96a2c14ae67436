import Synchronization

/// Something that a caller asks of the event loop and waits for.
///
/// It ends once: with the answer, or at once when the caller's task is cancelled; what comes later is dropped.
final class Call<Subject: Sendable, Value: Sendable>: Sendable {
  private enum State {
    case new
    case waiting(UnsafeContinuation<Value, any Error>)
    case over
  }

  let subject: Subject
  private let state = Mutex(State.new)

  init(_ subject: Subject) { self.subject = subject }

  var isOver: Bool {
    state.withLock { if case .over = $0 { true } else { false } }
  }

  /// Calls `start` and waits; a cancelled task gets its `CancellationError` at once, and `onCancel` is told.
  func value(start: () -> Void, onCancel: @Sendable () -> Void) async throws -> Value {
    try await withTaskCancellationHandler {
      try await value(start: start)
    } onCancel: {
      if finish(.failure(CancellationError())) { onCancel() }
    }
  }

  /// Calls `start` and waits, whether the task is cancelled or not.
  func value(start: () -> Void) async throws -> Value {
    // Unsafe for speed only: the state below lets exactly one of all resume it.
    try await withUnsafeThrowingContinuation { continuation in
      let isOver = state.withLock { state in
        if case .over = state { return true }
        state = .waiting(continuation)
        return false
      }
      if isOver { continuation.resume(throwing: CancellationError()) } else { start() }
    }
  }

  /// Ends the call.
  ///
  /// - Returns: whether somebody was waiting for it.
  @discardableResult
  func finish(_ result: Result<Value, any Error>) -> Bool {
    let waiting = state.withLock { state in
      defer { state = .over }
      return state
    }
    guard case .waiting(let continuation) = waiting else { return false }
    continuation.resume(with: result)
    return true
  }
}
