import Dispatch

/// Runs work that blocks (file reads, `fsync`) on a thread outside the cooperative pool and gives its result.
///
/// The work is not interrupted when the task is cancelled.
func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try work() }) }
  }
}
