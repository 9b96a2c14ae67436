import SimplonCore

extension Migrator {
  /// Holds the database against this binary: every migration applied with the same text, and everything there that
  /// they make.
  ///
  /// - Throws: `migration.newer`, `migration.missing`, `migration.changed` for the history; `database.schema` when a
  ///   migration is pending or a thing is missing, with the names.
  package func verify() async throws {
    try await client.withConnection { connection in
      let history = MigrationHistory(connection: connection)
      let entries = try await history.entries()
      try check(entries)
      let pending = migrations.filter { migration in !entries.contains { $0.version == migration.version } }
      guard pending.isEmpty else {
        throw SimplonError(
          .databaseSchema, "\(pending.count) of \(migrations.count) migrations are not applied",
          hint: "simplon db push",
          details: ["pending": .array(pending.map { .string($0.version) })])
      }
      let objects = SchemaObject.made(by: migrations.map { Migration.text($0.sql, for: schema) })
      let rows = try await connection.query(
        """
        select o.kind || ' ' || o.name
        from unnest(\(objects.map(\.kind.rawValue))::text[], \(objects.map(\.name))::text[]) with ordinality
          as o (kind, name, place)
        where case o.kind
          when 'type' then to_regtype(o.name) is null
          when 'function' then not exists (
            select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
            where n.nspname || '.' || p.proname = replace(o.name, '"', ''))
          else to_regclass(o.name) is null
        end
        order by o.place
        """)
      let missing = try rows.map { try $0.decode(String.self) }
      guard missing.isEmpty else {
        let shown = missing.prefix(5).joined(separator: ", ")
        throw SimplonError(
          .databaseSchema, "missing in the database: \(shown)\(missing.count > 5 ? ", …" : "")",
          hint: "Someone dropped them. Restore them from a backup, or roll back and push again.",
          details: ["missing": .array(missing.map { .string($0) })])
      }
    }
  }
}
