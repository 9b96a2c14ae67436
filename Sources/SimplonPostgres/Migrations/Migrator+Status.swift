import SimplonCore

/// Where a database stands.
package struct MigrationStatus: Hashable, Sendable {
  /// One migration, known to the binary, to the database or to both.
  package struct Item: Hashable, Sendable {
    /// What holds for a migration.
    package enum State: String, Sendable {
      case applied, pending
      /// Taken as applied without having been run here.
      case baseline
      /// Applied with another text.
      case changed
      /// Applied and not known to this binary.
      case unknown
    }

    /// The version, 14 digits.
    package let version: String
    /// What it is about.
    package let name: String
    /// What holds for it.
    package let state: State
    /// When it was applied, in ISO 8601; nil while pending.
    package let appliedAt: String?
    /// The login that applied it; nil while pending.
    package let appliedBy: String?
  }

  /// Another tool's history found in the same database.
  package struct Foreign: Hashable, Sendable {
    /// The tool, such as `alembic`.
    package let tool: String
    /// The table of its history.
    package let table: String
    /// The newest entries, at most ten.
    package let versions: [String]
  }

  /// All migrations, oldest first.
  package let items: [Item]
  /// Other tools' histories.
  package let foreign: [Foreign]

  /// Whether the database is what this binary needs.
  package var isCurrent: Bool { items.allSatisfy { $0.state == .applied || $0.state == .baseline } }
}

extension Migrator {
  /// Looks where the database stands, and changes nothing.
  package func status() async throws -> MigrationStatus {
    try await client.withConnection { connection in
      let history = MigrationHistory(connection: connection)
      let entries = try await history.entries()
      var items = entries.map { entry in
        let migration = migrations.first { $0.version == entry.version }
        let state: MigrationStatus.Item.State =
          switch migration {
          case nil: entry.origin == Migration.Origin.simplon.rawValue ? .unknown : .applied
          case .some(let migration) where migration.checksum != entry.checksum: .changed
          case .some: entry.baseline ? .baseline : .applied
          }
        return MigrationStatus.Item(
          version: entry.version, name: entry.name, state: state, appliedAt: entry.appliedAt, appliedBy: entry.appliedBy
        )
      }
      for migration in migrations where !entries.contains(where: { $0.version == migration.version }) {
        items.append(
          .init(version: migration.version, name: migration.name, state: .pending, appliedAt: nil, appliedBy: nil))
      }
      return MigrationStatus(
        items: items.sorted { $0.version < $1.version }, foreign: try await foreignHistories(history))
    }
  }

  /// Refuses a database that is not where this binary needs it, by its history alone, and changes nothing.
  ///
  /// - Throws: `migration.newer`, `migration.missing`, `migration.changed`; `database.schema` when a migration is pending
  ///   or the tables are in another schema; `database.permission` when the login may not read the history.
  package func refuseOutdated() async throws {
    let entries = try await client.withConnection { connection in
      try await MigrationHistory(connection: connection).entries()
    }
    try check(entries)
    try refusePending(entries)
  }

  func refusePending(_ entries: [MigrationHistory.Entry]) throws(SimplonError) {
    let pending = migrations.filter { migration in !entries.contains { $0.version == migration.version } }
    guard pending.isEmpty else {
      throw SimplonError(
        .databaseSchema, "\(pending.count) of \(migrations.count) migrations are not applied", hint: "simplon db push",
        details: ["pending": .array(pending.map { .string($0.version) })])
    }
  }

  /// - Source: alembic (table `alembic_version`, column `version_num`); drizzle-orm (schema `drizzle`, table
  ///   `__drizzle_migrations`, columns `id`, `hash`, `created_at`).
  private func foreignHistories(_ history: MigrationHistory) async throws -> [MigrationStatus.Foreign] {
    var found = [MigrationStatus.Foreign]()
    for table in Set(["\(schema).alembic_version", "public.alembic_version"]).sorted()
    where try await history.has(table) {
      let rows = try await history.connection.query(
        "select version_num::text from \(unsafeSQL: table) order by version_num desc limit 10")
      found.append(.init(tool: "alembic", table: table, versions: try rows.map { try $0.decode(String.self) }))
    }
    let table = "drizzle.__drizzle_migrations"
    if try await history.has(table) {
      let rows = try await history.connection.query(
        "select hash::text from drizzle.__drizzle_migrations order by created_at desc limit 10")
      found.append(.init(tool: "drizzle", table: table, versions: try rows.map { try $0.decode(String.self) }))
    }
    return found
  }
}
