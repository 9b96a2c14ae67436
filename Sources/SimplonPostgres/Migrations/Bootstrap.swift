import SimplonCore

/// Gives a database what a Supabase project has before its first migration: roles and schema `auth`, and our two logins.
///
/// What is there already stays as it is.
package struct Bootstrap: Sendable {
  private let client: PostgresClient

  /// Makes a bootstrap over a client connected as someone who may create roles.
  package init(client: PostgresClient) { self.client = client }

  /// Makes a cluster of our own like a Supabase project; needs its superuser.
  ///
  /// - Parameters:
  ///   - owner: the password of `postgres`, set again each time.
  ///   - api: the password of `simplon_api`, if it is made.
  ///   - worker: the password of `simplon_worker`, if it is made.
  /// - Throws: `database.permission` without a superuser, and what keeps a connection from working.
  package func privateCluster(owner: String, api: String, worker: String) async throws {
    try await client.withConnection { connection in
      let texts = [
        BootstrapSQL.privateCluster, try BootstrapSQL.password(owner, of: "postgres"),
        try BootstrapSQL.logins(api: api, worker: worker),
      ]
      try await connection.execute(unsafeSQL: texts.joined(separator: "\n"))
    }
  }

  /// Adds what a plain PostgreSQL lacks; does nothing on a Supabase project but make the logins.
  ///
  /// - Parameters:
  ///   - api: the password of `simplon_api`, if it is made.
  ///   - worker: the password of `simplon_worker`, if it is made.
  /// - Returns: the logins that were made; their passwords are known to nobody else.
  /// - Throws: `database.role` when the login may not create roles.
  package func plain(api: String, worker: String) async throws -> [String] {
    do {
      return try await makePlain(api: api, worker: worker)
    } catch let error as SimplonError where error.code == .databasePermission {
      throw SimplonError(
        .databaseRole, "this login may not create the roles that Simplon needs",
        hint: "Run simplon db push once as a superuser, or on Supabase as postgres.", cause: error)
    } catch let error as SimplonError where error.isAlreadyThere {
      // Roles are the cluster's, the lock is the database's: another database's bootstrap was quicker.
      return try await makePlain(api: api, worker: worker)
    }
  }

  private func makePlain(api: String, worker: String) async throws -> [String] {
    try await client.withTransaction(as: PostgresSession(statementTimeout: .zero), retries: 0) { connection in
      // Two at once would make the same objects.
      try await connection.query("select pg_advisory_xact_lock(5360414140)")
      try await connection.execute(unsafeSQL: BootstrapSQL.plain)
      let rows = try await connection.query(
        "select rolname::text from pg_catalog.pg_roles where rolname in ('simplon_api', 'simplon_worker')")
      let known = Set(try rows.map { try $0.decode(String.self) })
      try await connection.execute(unsafeSQL: BootstrapSQL.logins(api: api, worker: worker))
      return ["simplon_api", "simplon_worker"].filter { !known.contains($0) }
    }
  }
}

extension SimplonError {
  /// Whether PostgreSQL says that what was to be made exists.
  ///
  /// - Source: PostgreSQL manual, Appendix A: unique_violation, duplicate_object, duplicate_schema, duplicate_function.
  fileprivate var isAlreadyThere: Bool {
    ["23505", "42710", "42P06", "42723"].contains(details?["sqlstate"]?.string ?? "")
  }
}
