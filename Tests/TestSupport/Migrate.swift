import Logging
import SimplonAgents
import SimplonPostgres

/// Applies all our migrations, as the owner.
func migrate(_ dsn: String) async throws {
  let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  try await PostgresClient.withRunning(PostgresConfiguration(dsn: dsn), logger: logger) { client in
    _ = try await Migrator(client: client, migrations: AgentSchema.migrations, logger: logger).push()
  }
}
