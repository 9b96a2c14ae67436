package import Logging
package import SimplonCore

/// Brings a database's schema to the version of this binary, and back.
///
/// Each migration runs in a transaction of its own, under a lock that lets one migrator at a time work on a database;
/// so several may be started at once, and one that fails changes nothing.
package struct Migrator: Sendable {
  let client: PostgresClient
  /// Sorted by version.
  package let migrations: [Migration]
  let schema: String
  let logger: Logger

  /// Makes a migrator; nothing happens before a call.
  ///
  /// - Parameters:
  ///   - client: connected as the login that is to own the tables, such as `postgres`.
  ///   - migrations: what this binary knows, and where wanted what a folder holds.
  ///   - schema: the schema of the contract tables.
  ///   - logger: gets a line for each migration.
  /// - Throws: `config.invalid` when the schema's name is not made of lower-case letters, digits and underscores.
  package init(
    client: PostgresClient, migrations: [Migration], schema: String = "public",
    logger: Logger = Logger(label: "migrator")
  ) throws(SimplonError) {
    guard schema.utf8.count <= 63, schema.first.map({ $0.isLetter || $0 == "_" }) ?? false,
      schema.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
    else {
      throw SimplonError(
        .configInvalid, "SUPABASE_AGENT_SCHEMA must be lower-case letters, digits and underscores, at most 63 bytes",
        details: ["key": "SUPABASE_AGENT_SCHEMA"])
    }
    self.client = client
    self.migrations = migrations.sorted { $0.version < $1.version }
    self.schema = schema
    self.logger = logger
  }

  /// Applies what is pending, oldest first.
  ///
  /// - Parameters:
  ///   - target: the last version to apply, or nil for all.
  ///   - baseline: take everything up to this version as applied by someone else, without running it.
  ///   - progress: is told after each migration how many are behind it.
  /// - Returns: the versions that were applied, in order.
  /// - Throws: `migration.newer`, `migration.missing`, `migration.changed`, `migration.foreign`, `migration.failed`,
  ///   and what keeps a connection from working.
  @discardableResult
  package func push(
    to target: String? = nil, baseline: String? = nil, progress: (Int) -> Void = { _ in }
  ) async throws -> [String] {
    for version in [target, baseline].compactMap({ $0 }) where !migrations.contains(where: { $0.version == version }) {
      throw SimplonError(.migrationMissing, "there is no migration \(version)", hint: "simplon db status lists them.")
    }
    let known = try await withLock { history in
      try await history.prepare()
      if schema != "public" {
        let name = BootstrapSQL.identifier(schema)
        try await history.connection.execute(
          unsafeSQL: """
            create schema if not exists \(name);
            grant usage on schema \(name) to anon, authenticated, service_role;
            """)
      }
      let entries = try await history.entries()
      try check(entries)
      if entries.isEmpty, baseline == nil { try await refuseForeign(history) }
      for migration in migrations {
        guard let baseline, migration.version <= baseline, !entries.contains(where: { $0.version == migration.version })
        else { continue }
        try await history.add(migration, schema: schema, baseline: true)
      }
      return Set(entries.map(\.version))
    }
    var applied = [String]()
    for (index, migration) in migrations.enumerated() {
      if let target, migration.version > target { break }
      if !known.contains(migration.version), try await apply(migration) { applied.append(migration.version) }
      progress(index + 1)
    }
    return applied
  }

  /// Applies one migration unless it is applied already.
  private func apply(_ migration: Migration) async throws -> Bool {
    try await withLock { history in
      guard try await !history.entries().contains(where: { $0.version == migration.version }) else { return false }
      // The supabase CLI applies the same files; what it has done is taken over.
      let isDone = try await history.supabaseVersions().contains(migration.version)
      if !isDone {
        do {
          try await history.run(Migration.text(migration.sql, for: schema))
        } catch let error as SimplonError {
          throw failed(migration, "failed and was undone", error)
        }
      }
      try await history.add(migration, schema: schema, baseline: isDone)
      logger.info("migration applied", metadata: ["version": "\(migration.version)", "name": "\(migration.name)"])
      return !isDone
    }
  }

  /// Runs the body in a transaction that holds the migrators' lock.
  func withLock<R: Sendable>(_ body: (MigrationHistory) async throws -> R) async throws -> R {
    try await client.withTransaction(retries: 0) { connection in
      try await connection.execute(
        unsafeSQL: "\(MigrationHistory.patience) select pg_catalog.pg_advisory_xact_lock(7309463110951237481);")
      return try await body(MigrationHistory(connection: connection))
    }
  }

  /// Refuses a history that this binary cannot go on with.
  func check(_ entries: [MigrationHistory.Entry]) throws(SimplonError) {
    let known = Dictionary(migrations.map { ($0.version, $0) }, uniquingKeysWith: { first, _ in first })
    let newest = migrations.last { $0.origin == .simplon }?.version ?? ""
    for entry in entries {
      if let migration = known[entry.version] {
        guard migration.checksum == entry.checksum else { throw changed(migration) }
      } else if entry.origin == Migration.Origin.simplon.rawValue {
        guard entry.version < newest else {
          throw SimplonError(
            .migrationNewer,
            "the database has migration \(entry.version)_\(entry.name), which this simplon does not know",
            hint: "Use the newer simplon, or take the database back with it: simplon db rollback --to \(newest)")
        }
        throw SimplonError(
          .migrationMissing, "the database has migration \(entry.version)_\(entry.name), which this simplon lacks",
          hint: "Use the simplon that applied it.")
      }
      if entry.origin == Migration.Origin.simplon.rawValue, entry.schema != schema {
        throw SimplonError(
          .databaseSchema, "the agents' tables are in schema \(entry.schema), not in \(schema)",
          hint: "Set SUPABASE_AGENT_SCHEMA=\(entry.schema).")
      }
    }
  }

  private func changed(_ migration: Migration) -> SimplonError {
    SimplonError(
      .migrationChanged, "migration \(migration.version)_\(migration.name) was applied with another text",
      hint: "Never edit an applied migration: put its old text back and write a new one (simplon db new NAME).",
      details: ["version": .string(migration.version)])
  }

  /// What PostgreSQL said about a migration, for the one who applies it: unlike elsewhere its own words are shown, as
  /// the text that failed is ours and the reader owns the database.
  func failed(_ migration: Migration, _ what: String, _ error: SimplonError) -> SimplonError {
    let server = error.cause as? PostgresServerError
    let said = server.map { "\($0.message) (SQLSTATE \($0.sqlState))" } ?? error.message
    let commits = server?.message.contains("transaction commands") == true
    return SimplonError(
      .migrationFailed, "migration \(migration.version)_\(migration.name) \(what): \(said)",
      hint: commits
        ? "Each migration is a transaction of its own: take begin, commit, rollback and savepoint out of its text."
        : server?.hint ?? error.hint,
      details: error.details, cause: error)
  }
}
