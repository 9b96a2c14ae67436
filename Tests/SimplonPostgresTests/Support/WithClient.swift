import Logging
import SimplonPostgres

/// Runs the body with a running client.
@discardableResult
func withClient<Result: Sendable>(
  on server: TestServer? = nil, _ configure: (inout PostgresConfiguration) -> Void = { _ in },
  _ body: @Sendable @escaping (PostgresClient) async throws -> Result
) async throws -> Result {
  let shared = try await TestServer.shared.value
  var configuration = PostgresConfiguration(dsn: (server ?? shared).dsn())
  configuration.sharedConnections = 2
  configure(&configuration)
  let client = PostgresClient(configuration: configuration, logger: quiet)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await client.run() }
    defer { group.cancelAll() }
    return try await body(client)
  }
}

/// Says nothing, unless one looks for a fault.
let quiet = {
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  return logger
}()

/// Waits until some connection of the server runs a statement that contains the text.
func waitUntilRunning(_ text: String, on server: TestServer) async throws {
  try await withClient(on: server, { $0.sharedConnections = 1 }) { client in
    while try await client.query(
      "select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and strpos(query, \(text)) > 0"
    ).isEmpty {
      await Task.yield()
    }
  }
}
