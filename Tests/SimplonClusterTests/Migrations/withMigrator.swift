import Logging
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

/// A migrator over a fresh database with Supabase's rights, connected as `postgres`, who is no superuser.
func withMigrator(
  _ migrations: [Migration], schema: String = "public", _ body: (Migrator, TestDatabase) async throws -> Void
) async throws {
  try await withTestDatabase(.bootstrapped) { database in
    try await withMigrator(migrations, on: database, schema: schema) { try await body($0, database) }
  }
}

/// A migrator over a database that is there.
func withMigrator(
  _ migrations: [Migration], on database: TestDatabase, schema: String = "public",
  _ body: (Migrator) async throws -> Void
) async throws {
  try await withMigrator(migrations, dsn: database.owner, schema: schema, body)
}

/// A migrator over a connection string.
func withMigrator(
  _ migrations: [Migration], dsn: String, schema: String = "public", _ body: (Migrator) async throws -> Void
) async throws {
  try await withClient(dsn) { client in
    try await body(Migrator(client: client, migrations: migrations, schema: schema, logger: .quiet))
  }
}

/// A running client.
func withClient(_ dsn: String, _ body: (PostgresClient) async throws -> Void) async throws {
  try await PostgresClient.withRunning(PostgresConfiguration(dsn: dsn), logger: .quiet, body)
}

/// Expects an error of ours with that code.
@discardableResult
func expectError(
  _ code: SimplonError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> SimplonError? {
  let error = await #expect(throws: SimplonError.self, sourceLocation: sourceLocation) { try await body() }
  #expect(error?.code == code, "\(String(reflecting: error))", sourceLocation: sourceLocation)
  return error
}
