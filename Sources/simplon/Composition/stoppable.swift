import Logging
import ServiceLifecycle
import UnixSignals

/// Does a command's work; the first SIGINT, SIGTERM or SIGHUP is a graceful shutdown to it, the second cancels it.
///
/// It stands around everything that must be stopped again, so that a signal finds it from the first moment on.
///
/// - Throws: what the work throws; a cancel after the second signal.
func stoppable(_ logger: Logger, _ work: @escaping @Sendable () async throws -> Void) async throws {
  let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
  let group = ServiceGroup(
    configuration: ServiceGroupConfiguration(
      services: [
        .init(
          service: Work(work: work), successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup)
      ], logger: logger))
  try await withThrowingTaskGroup(of: Bool.self) { tasks in
    tasks.addTask {
      try await group.run()
      return true
    }
    tasks.addTask {
      var isFirst = true
      for await _ in signals {
        guard isFirst else { break }
        isFirst = false
        await group.triggerGracefulShutdown()
      }
      return false
    }
    let isDone = try await tasks.next() ?? true
    tasks.cancelAll()
    guard !isDone else { return }
    // What was started is stopped before we say so.
    _ = try? await tasks.next()
    throw CancellationError()
  }
}

private struct Work: Service {
  let work: @Sendable () async throws -> Void

  func run() async throws { try await work() }
}
