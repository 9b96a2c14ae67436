import ServiceLifecycle

/// Does something once everything before it runs.
///
/// In a group it ends it: by returning, or by throwing, each with a graceful shutdown.
struct Ready: Service {
  private let body: @Sendable () async throws -> Void
  private let listening: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  /// Takes what is to be done; a graceful shutdown cancels it.
  init(_ body: @escaping @Sendable () async throws -> Void) {
    self.body = body
    (listening, continuation) = AsyncStream.makeStream(of: Void.self)
  }

  /// Lets it begin.
  func signal() { continuation.finish() }

  /// As a member of a group.
  var member: ServiceGroupConfiguration.ServiceConfiguration {
    .init(
      service: self, successTerminationBehavior: .gracefullyShutdownGroup,
      failureTerminationBehavior: .gracefullyShutdownGroup)
  }

  func run() async throws {
    do {
      try await cancelWhenGracefulShutdown {
        for await _ in listening {}
        try Task.checkCancellation()
        releaseStartPages()
        try await body()
      }
    } catch  where Task.isShuttingDownGracefully {
      // Whatever the cut made it throw.
      throw CancellationError()
    }
  }
}
