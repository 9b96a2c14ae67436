import SimplonCore

extension Migrator {
  /// Holds the database against this binary: every migration applied with the same text, and everything as they make
  /// it.
  ///
  /// What Simplon's own migrations make is read from a trial that is rolled back. A folder's migrations may do anything,
  /// so they are not tried: what they create has to be there by name.
  ///
  /// - Throws: `migration.newer`, `migration.missing`, `migration.changed` for the history; `database.schema` when a
  ///   migration is pending or a thing differs, with the names.
  package func verify() async throws {
    let differences = try await withLock { history in
      let entries = try await history.entries()
      try check(entries)
      try refusePending(entries)
      let expected = try await withProbe(history) { contract, internals in
        try await SchemaCatalog(history.connection, contract: contract, internals: internals, as: schema)
      }
      let missing = try await missingOfFolder(history)
      let actual = try await SchemaCatalog(history.connection, contract: schema, internals: "simplon", as: schema)
      return actual.differences(from: expected) + missing
    }
    guard !differences.isEmpty else { return }
    let shown = differences.prefix(5).joined(separator: "; ")
    throw SimplonError(
      .databaseSchema,
      "the schema is not what the migrations make: \(shown)"
        + (differences.count > 5 ? "; and \(differences.count - 5) more" : ""),
      hint: "Someone changed it by hand. Undo that, restore a backup, or roll back and push again.",
      details: ["differences": .array(differences.map { .string($0) })])
  }

  /// What a folder's migrations create and the database lacks.
  private func missingOfFolder(_ history: MigrationHistory) async throws -> [String] {
    let texts = migrations.filter { $0.origin == .folder }.map { Migration.text($0.sql, for: schema) }
    let objects = SchemaObject.made(by: texts)
    let rows = try await history.connection.query(
      """
      select o.kind || ' ' || o.name || ' is missing'
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
    return try rows.map { try $0.decode(String.self) }
  }
}
