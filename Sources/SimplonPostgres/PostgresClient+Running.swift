public import Logging

extension PostgresClient {
  /// Gives the body a client that runs for as long as the body does, over one shared connection: for commands and checks.
  ///
  /// - Parameters:
  ///   - configuration: where to connect.
  ///   - logger: for trouble in the background.
  ///   - body: what uses the client.
  /// - Returns: what the body returns.
  /// - Throws: what the body throws.
  public static func withRunning<R: Sendable>(
    _ configuration: PostgresConfiguration, logger: Logger, _ body: (PostgresClient) async throws -> R
  ) async throws -> R {
    var configuration = configuration
    configuration.sharedConnections = 1
    let client = PostgresClient(configuration: configuration, logger: logger)
    return try await withThrowingTaskGroup { group in
      group.addTask { try await client.run() }
      defer { group.cancelAll() }
      return try await body(client)
    }
  }
}
