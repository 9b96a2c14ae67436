import SimplonCore

/// Compares the schemas of two databases, and makes the second one's equal to the first one's.
///
/// The first database is only ever read. Rows are neither read nor compared, but for the question whether a column
/// holds nulls where none are allowed any more.
package struct SchemaComparison: Sendable {
  /// The schemas that are left out when none is named: what Supabase makes and keeps by itself, and our own, which
  /// migrations keep.
  package static let excluded = [
    "_analytics", "_realtime", "_supavisor", "auth", "cron", "extensions", "graphql", "graphql_public", "net",
    "pgbouncer", "pgmq", "pgsodium", "pgsodium_masks", "pgtle", "realtime", "simplon", "storage", "supabase_functions",
    "supabase_migrations", "tiger", "topology", "vault",
  ]

  /// What is not compared.
  package static let notCompared = [
    "rows and the values of sequences", "roles, owners and default privileges", "the order of columns",
    "versions of extensions", "aggregates, operators, casts, collations, ranges and base types",
    "text search configurations", "statistics objects and targets", "compression and table spaces",
    "event triggers and publications", "foreign tables and servers", "security labels", "settings of the database",
    "defaults of a partition's columns",
  ]

  private let source: PostgresClient
  private let target: PostgresClient
  private let schemas: [String]
  private let lockTimeout: Duration
  private static let session = PostgresSession(statementTimeout: .seconds(300))

  /// Makes a comparison; nothing is read before a call.
  ///
  /// - Parameters:
  ///   - source: the database that is as it should be.
  ///   - target: the database to change, connected as the owner of its objects.
  ///   - schemas: the schemas to compare; empty for all but ``excluded``.
  ///   - lockTimeout: how long a statement waits for a lock; whole milliseconds, one at least.
  package init(
    source: PostgresClient, target: PostgresClient, schemas: [String] = [], lockTimeout: Duration = .seconds(10)
  ) {
    self.source = source
    self.target = target
    self.schemas = schemas
    self.lockTimeout = lockTimeout
  }

  /// Says what would have to be done; changes nothing.
  ///
  /// - Returns: the plan; empty when nothing differs.
  /// - Throws: `request.invalid` for a schema that neither database has; `schema.not_supported` when something cannot
  ///   be changed while its rows stay; and like a query.
  package func plan() async throws -> SchemaPlan {
    var plan = try await planned(from: read(source), to: read(target))
    for index in plan.statements.indices {
      guard let obstacle = plan.statements[index].obstacle, await holds(obstacle) else { continue }
      plan.statements[index].loses = "rows have no value there: fill or delete them first, or this is refused"
    }
    return plan
  }

  /// Does what a plan says, as long as it still is the plan: first what has to be committed by itself, then all the
  /// rest in one transaction, which is kept only when nothing differs any more.
  ///
  /// Migrations of this database wait meanwhile.
  ///
  /// - Parameters:
  ///   - plan: what ``plan()`` gave.
  ///   - allowingLoss: whether data may be lost.
  /// - Throws: `schema.loss` when data would be lost and may not be; `schema.changed` when the databases have changed
  ///   since; `schema.failed` when PostgreSQL refused a step; `schema.unequal` when something still differs. Then
  ///   nothing has changed, but for what had to be committed by itself.
  package func apply(_ plan: SchemaPlan, allowingLoss: Bool = false) async throws {
    guard allowingLoss || plan.losses.isEmpty else {
      let items = plan.losses.map(\.item)
      throw SimplonError(
        .schemaLoss, "data would be lost, or is in the way: \(items.prefix(5).joined(separator: "; "))",
        hint: "Look at the plan; --allow-loss does it all the same.",
        details: ["items": .array(items.map { .string($0) })])
    }
    let apart = plan.statements.filter(\.isApart)
    let rest = plan.statements.filter { !$0.isApart }
    if !apart.isEmpty {
      try await withTarget { connection, wanted in
        try await check(connection, wanted, against: plan.statements)
        for statement in apart { try await run(statement, connection) }
      }
    }
    guard !rest.isEmpty else { return try await confirm() }
    try await withTarget { connection, wanted in
      try await check(connection, wanted, against: rest)
      for statement in rest { try await run(statement, connection) }
      try refuse(try await planned(from: wanted, to: read(connection)))
    }
  }

  private func confirm() async throws {
    try refuse(try await planned(from: read(source), to: read(target)))
  }

  /// Gives the body a transaction that keeps migrations and other comparisons away, and what the first database holds.
  private func withTarget(_ body: (PostgresConnection, SchemaSnapshot) async throws -> Void) async throws {
    let wanted = try await read(source)
    try await target.withTransaction(as: PostgresSession(statementTimeout: .zero), retries: 0) { connection in
      try await connection.execute(
        unsafeSQL: """
          set local lock_timeout = \(max(1, lockTimeout.milliseconds));
          set local check_function_bodies = off;
          \(MigrationHistory.patience)
          select pg_catalog.pg_advisory_xact_lock(7309463110951237481);
          """)
      try await body(connection, wanted)
    }
  }

  private func check(
    _ connection: PostgresConnection, _ wanted: SchemaSnapshot, against statements: [SchemaStatement]
  ) async throws {
    let plan = try await planned(from: wanted, to: read(connection))
    guard plan.fingerprint == SchemaPlan.fingerprint(of: statements) else {
      throw SimplonError(
        .schemaChanged, "one of the databases has changed since the plan was made; nothing was done",
        hint: "Look at the new plan: run it again without --apply.")
    }
  }

  /// What it makes or drops cannot end the transaction, whoever wrote the text that the first database holds.
  private func run(_ statement: SchemaStatement, _ connection: PostgresConnection) async throws {
    let body = "begin execute \(BootstrapSQL.literal(statement.sql)); end"
    do {
      try await connection.execute(unsafeSQL: "do \(BootstrapSQL.literal(body));")
    } catch let error as SimplonError where error.sqlState != nil && error.code != .databaseConflict {
      throw SimplonError(
        .schemaFailed, "\(statement.item): \(error.wordsAboutStatement ?? error.message)",
        hint: "It was undone, and so was all that came before it in its transaction.", details: error.details,
        cause: error)
    }
  }

  private func refuse(_ left: SchemaPlan) throws(SimplonError) {
    guard !left.isEmpty else { return }
    let items = left.statements.map(\.item)
    throw SimplonError(
      .schemaUnequal, "this would still differ afterwards: \(items.prefix(5).joined(separator: "; "))",
      hint: "It was undone. Change the rest by hand with a migration, and compare again.",
      details: ["items": .array(items.map { .string($0) })])
  }

  private func planned(from source: SchemaSnapshot, to target: SchemaSnapshot) throws -> SchemaPlan {
    if let missing = schemas.first(where: { !source.schemas.contains($0) && !target.schemas.contains($0) }) {
      throw SimplonError(.requestInvalid, "neither database has a schema \(missing)")
    }
    var planner = SchemaPlanner(from: source, to: target)
    return try planner.plan()
  }

  private func read(_ client: PostgresClient) async throws -> SchemaSnapshot {
    try await client.withTransaction(isolation: .repeatableRead, as: Self.session, retries: 0) { connection in
      try await read(connection)
    }
  }

  private func read(_ connection: PostgresConnection) async throws -> SchemaSnapshot {
    try await SchemaSnapshot(connection, schemas: schemas, excluding: Self.excluded)
  }

  /// Whether the rows of the second database stand in the way; yes where we may not see them.
  private func holds(_ condition: String) async -> Bool {
    do {
      return try await target.withTransaction(as: Self.session, retries: 0) { connection in
        try await connection.execute(unsafeSQL: "set transaction read only; set local row_security = off")
        return try await connection.query("select \(unsafeSQL: condition)").first?.decode(Bool.self) ?? true
      }
    } catch {
      return true
    }
  }
}
