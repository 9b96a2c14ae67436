package import SimplonCluster

/// A database of one test's own, on the cluster of the test process.
package struct TestDatabase: Sendable {
  /// Its name.
  package let name: String
  /// The cluster that holds it.
  package let cluster: Cluster

  /// The connection string for a login; over the Unix socket, or through 127.0.0.1.
  package func dsn(_ login: ClusterState.Login, tcp: Bool = false) -> String {
    cluster.dsn(login, database: name, tcp: tcp)
  }

  /// As the superuser.
  package var admin: String { dsn(.admin) }
  /// As the owner of the database and of all tables, no superuser, as on Supabase.
  package var owner: String { dsn(.owner) }
  /// As the login that serves callers.
  package var api: String { dsn(.api) }
  /// As the login that works.
  package var worker: String { dsn(.worker) }

  /// Runs SQL text at once over a connection of its own, without any code of Simplon, and answers the first column of
  /// its last result.
  ///
  /// - Throws: ``TestSQLFailure``.
  @discardableResult
  package func execute(_ sql: String, as login: ClusterState.Login = .admin) async throws -> [String?] {
    try await executeSQL(sql, dsn: dsn(login))
  }
}

/// What a test's database holds at first.
package enum TestTemplate: String, Sendable {
  /// Nothing, as on a plain PostgreSQL; the API roles exist, as roles belong to the whole cluster.
  case empty
  /// Supabase's roles, schemas and default privileges.
  case bootstrapped
  /// The same and all our migrations.
  case migrated
}

/// Gives the body a fresh database and drops it afterwards.
///
/// - Throws: what the body throws, or whatever keeps PostgreSQL from starting.
package func withTestDatabase<R>(
  _ template: TestTemplate = .migrated, _ body: (TestDatabase) async throws -> R
) async throws -> R {
  let cluster = try await TestCluster.shared.value
  let name = "test_\(UInt64.random(in: .min ... .max))"
  let admin = cluster.cluster.dsn(.admin)
  let source = try await cluster.template(template)
  try await executeSQL("create database \(name) template \(source) owner postgres", dsn: admin)
  do {
    let result = try await body(TestDatabase(name: name, cluster: cluster.cluster))
    try await executeSQL("drop database \(name) with (force)", dsn: admin)
    return result
  } catch {
    _ = try? await executeSQL("drop database \(name) with (force)", dsn: admin)
    throw error
  }
}
