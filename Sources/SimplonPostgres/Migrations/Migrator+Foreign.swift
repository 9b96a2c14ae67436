import SimplonCore

extension Migrator {
  /// Refuses a database whose `agent_runs` was made by someone else, and says how it differs from ours.
  ///
  /// - Throws: `migration.foreign`.
  func refuseForeign(_ history: MigrationHistory) async throws {
    guard try await history.has("\(schema).agent_runs") else { return }
    let first = migrations.first { $0.sql.contains("create table public.agent_runs ") }
    if let first, try await history.supabaseVersions().contains(first.version) { return }
    let theirs = try await columns(history, of: schema)
    let ours = try await withProbe(history) { contract, _ in try await columns(history, of: contract) }
    var differences = [String]()
    for (table, expected) in ours.sorted(by: { $0.key < $1.key }) {
      guard let actual = theirs[table] else { continue }
      for (name, type) in expected.sorted(by: { $0.key < $1.key }) {
        switch actual[name] {
        case nil: differences.append("\(table).\(name) \(type) is missing")
        case .some(let other) where other != type: differences.append("\(table).\(name) is \(other) instead of \(type)")
        case .some: break
        }
      }
      for name in actual.keys.sorted() where expected[name] == nil {
        differences.append("\(table).\(name) is not ours")
      }
    }
    let shown = differences.prefix(5).joined(separator: "; ")
    let rest = differences.count > 5 ? "; and \(differences.count - 5) more" : ""
    throw SimplonError(
      .migrationForeign,
      "schema \(schema) has tables of the agents that simplon did not make"
        + (differences.isEmpty ? ", and they look like ours" : ": \(shown)\(rest)"),
      hint: """
        Use another schema (SUPABASE_AGENT_SCHEMA=simplon_agents), rename those tables, or, where they are the same, take \
        them over: simplon db push --baseline \(migrations.last?.version ?? "VERSION")
        """,
      details: ["differences": .array(differences.map { .string($0) })])
  }

  /// Gives the body two schemas, never committed, that hold what Simplon's own migrations make: the contract tables',
  /// and the one that stands for `simplon`.
  ///
  /// These migrations name every right themselves, so it makes no difference that `public` has default privileges.
  func withProbe<R: Sendable>(
    _ history: MigrationHistory, _ body: (_ contract: String, _ internals: String) async throws -> R
  ) async throws -> R {
    let contract = "simplon_probe"
    let internals = "simplon_probe_internals"
    try await history.connection.execute(
      unsafeSQL: "savepoint simplon_probe; create schema \(contract); create schema \(internals)")
    for migration in migrations where migration.origin == .simplon {
      let sql = migration.sql.replacing(" in schema simplon ", with: " in schema \(internals) ")
      let text = Migration.text(sql, for: internals, insteadOf: "simplon")
      try await history.connection.execute(unsafeSQL: Migration.text(text, for: contract))
    }
    let result = try await body(contract, internals)
    try await history.connection.execute(unsafeSQL: "rollback to savepoint simplon_probe")
    return result
  }

  /// Table → column → type, of a schema's tables; a type of the schema itself goes by its bare name.
  private func columns(_ history: MigrationHistory, of schema: String) async throws -> [String: [String: String]] {
    let rows = try await history.connection.query(
      """
      select c.relname::text, a.attname::text,
        case when t.typnamespace = n.oid then t.typname::text else format_type(a.atttypid, a.atttypmod) end
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_type t on t.oid = a.atttypid
      where n.nspname = \(schema) and a.attnum > 0 and not a.attisdropped
      """)
    var columns = [String: [String: String]]()
    for row in rows {
      let (table, column, type) = try row.decode(String.self, String.self, String.self)
      columns[table, default: [:]][column] = type
    }
    return columns
  }
}
