import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a database remembers of the migrations that it has seen: `simplon.schema_migrations`, and beside it the table of
/// the supabase CLI where that exists.
struct MigrationHistory {
  /// One applied migration.
  struct Entry: Hashable, Sendable {
    let version: String
    let name: String
    let checksum: String
    let schema: String
    let origin: String
    let baseline: Bool
    let appliedAt: String
    let appliedBy: String
  }

  let connection: PostgresConnection

  /// However long a migration takes, and we between two of its statements.
  static let patience = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;"

  /// Runs a migration's text.
  ///
  /// It cannot end the transaction, as its effects and its entry here are one, and what it has set or made for its
  /// session ends with it: behind a pooler others come to that session next.
  /// - Source: PostgreSQL manual, "Executing Dynamic Commands": EXECUTE refuses transaction commands.
  func run(_ text: String) async throws {
    let body = "begin execute \(BootstrapSQL.literal(text)); end"
    try await connection.execute(unsafeSQL: "do \(BootstrapSQL.literal(body));")
    try await connection.execute(
      unsafeSQL: "reset session authorization; reset role; reset all; discard temp; unlisten *; \(Self.patience)")
  }

  /// Makes the table where there is none.
  func prepare() async throws {
    try await connection.execute(
      unsafeSQL: """
        create schema if not exists simplon;
        create table if not exists simplon.schema_migrations (
          version text primary key,
          name text not null,
          checksum text not null,
          agent_schema text not null,
          origin text not null default 'simplon',
          baseline boolean not null default false,
          applied_at timestamptz not null default clock_timestamp(),
          applied_by text not null default session_user
        );
        revoke all on simplon.schema_migrations from public;
        """)
  }

  /// Whether a table, as `schema.name`, can be seen.
  func has(_ table: String) async throws -> Bool {
    try await connection.query("select to_regclass(\(table)) is not null").first?.decode(Bool.self) ?? false
  }

  /// All entries, oldest version first; none when the table is not there.
  func entries() async throws -> [Entry] {
    guard try await has("simplon.schema_migrations") else { return [] }
    let rows = try await connection.query(
      """
      select version, name, checksum, agent_schema, origin, baseline,
        to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), applied_by
      from simplon.schema_migrations order by version
      """)
    return try rows.map { row in
      let (version, name, checksum, schema, origin, baseline, at, by) = try row.decode(
        String.self, String.self, String.self, String.self, String.self, Bool.self, String.self, String.self)
      return Entry(
        version: version, name: name, checksum: checksum, schema: schema, origin: origin, baseline: baseline,
        appliedAt: at, appliedBy: by)
    }
  }

  /// Writes down that a migration is applied.
  func add(_ migration: Migration, schema: String, baseline: Bool) async throws {
    _ = try await connection.query(
      """
      insert into simplon.schema_migrations (version, name, checksum, agent_schema, origin, baseline)
      values (\(migration.version), \(migration.name), \(migration.checksum), \(schema), \(migration.origin.rawValue),
        \(baseline))
      """)
    guard try await hasSupabaseTable() else { return }
    _ = try await connection.query(
      "insert into supabase_migrations.schema_migrations (version) values (\(migration.version)) on conflict do nothing"
    )
    let columns = try await supabaseColumns()
    if columns.contains("name") {
      _ = try await connection.query(
        "update supabase_migrations.schema_migrations set name = \(migration.name) where version = \(migration.version)"
      )
    }
    if columns.contains("statements") {
      let statements = [Migration.text(migration.sql, for: schema)]
      _ = try await connection.query(
        "update supabase_migrations.schema_migrations set statements = \(statements) where version = \(migration.version)"
      )
    }
  }

  /// Strikes a migration out.
  func remove(_ version: String) async throws {
    _ = try await connection.query("delete from simplon.schema_migrations where version = \(version)")
    if try await hasSupabaseTable() {
      _ = try await connection.query("delete from supabase_migrations.schema_migrations where version = \(version)")
    }
  }

  /// The versions that the supabase CLI has applied, where there is such a history.
  func supabaseVersions() async throws -> Set<String> {
    guard try await hasSupabaseTable() else { return [] }
    let rows = try await connection.query("select version::text from supabase_migrations.schema_migrations")
    return Set(try rows.map { try $0.decode(String.self) })
  }

  private func hasSupabaseTable() async throws -> Bool { try await has("supabase_migrations.schema_migrations") }

  private func supabaseColumns() async throws -> Set<String> {
    let rows = try await connection.query(
      """
      select attname::text from pg_catalog.pg_attribute
      where attrelid = 'supabase_migrations.schema_migrations'::regclass and attnum > 0 and not attisdropped
      """)
    return Set(try rows.map { try $0.decode(String.self) })
  }
}
