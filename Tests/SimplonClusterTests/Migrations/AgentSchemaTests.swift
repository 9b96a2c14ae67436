import Logging
import SimplonAgents
import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct AgentSchemaTests {
  /// Everything in the schemas that are ours to change, the history apart.
  private static let catalog = """
    select n.nspname || '.' || c.relname || ' ' || c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'agents', 'simplon') and c.relname !~ '^schema_migrations'
    union all
    select n.nspname || '.' || p.proname || '()' from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'agents', 'simplon')
    union all
    select n.nspname || '.' || t.typname || ' type' from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where n.nspname in ('public', 'agents', 'simplon') and t.typtype = 'e'
    order by 1
    """

  @Test func `all migrations apply and verify and are taken back without a trace`() async throws {
    try await withMigrator(AgentSchema.migrations) { migrator, database in
      let applied = try await migrator.push()
      #expect(applied == AgentSchema.migrations.map(\.version))
      try await migrator.verify()
      let there = try await database.execute(Self.catalog)
      #expect(there.contains("public.agent_runs r"))
      let undone = try await migrator.rollback(to: "0")
      #expect(undone == applied.reversed())
      let left = try await database.execute(Self.catalog)
      #expect(left == [])
      let again = try await migrator.push()
      #expect(again == applied)
      let rebuilt = try await database.execute(Self.catalog)
      #expect(rebuilt == there)
    }
  }

  @Test func `another schema takes the contract tables and public stays empty`() async throws {
    try await withMigrator(AgentSchema.migrations, schema: "agents") { migrator, database in
      try await migrator.push()
      try await migrator.verify()
      let there = try await database.execute(Self.catalog)
      #expect(there.contains("agents.agent_runs r"))
      #expect(!there.contains { $0?.hasPrefix("public.") == true })
      try await withMigrator(AgentSchema.migrations, on: database) { other in
        let error = await expectError(.databaseSchema) { try await other.push() }
        #expect(error?.hint?.contains("SUPABASE_AGENT_SCHEMA=agents") == true)
      }
    }
  }

  @Test func `tables of the same name that are not ours stop the push with the difference`() async throws {
    try await withMigrator(AgentSchema.migrations) { migrator, database in
      try await database.execute(
        "create table public.agent_runs (id uuid primary key, status text, mood text)", as: .owner)
      let error = await expectError(.migrationForeign) { try await migrator.push() }
      let differences = error?.details?["differences"]?.array?.compactMap(\.string) ?? []
      #expect(differences.contains("agent_runs.status is text instead of task_status"))
      #expect(differences.contains("agent_runs.prompt text is missing"))
      #expect(differences.contains("agent_runs.mood is not ours"))
      #expect(error?.hint?.contains("--baseline") == true)
      let there = try await database.execute(Self.catalog)
      #expect(there == ["public.agent_runs r", "public.agent_runs_pkey i"])
    }
  }

  @Test func `a baseline takes what is there as applied and runs only what follows`() async throws {
    let migrations = AgentSchema.migrations
    let middle = migrations[migrations.count / 2].version
    try await withMigrator(migrations) { migrator, database in
      try await migrator.push(to: middle)
      // The history is lost, as after a restore of the tables alone.
      try await database.execute("drop table simplon.schema_migrations", as: .owner)
      await expectError(.migrationForeign) { try await migrator.push() }
      let applied = try await migrator.push(baseline: middle)
      #expect(applied == migrations.map(\.version).filter { $0 > middle })
      try await migrator.verify()
      let status = try await migrator.status()
      #expect(status.items.map(\.state) == migrations.map { $0.version <= middle ? .baseline : .applied })
    }
  }

  @Test func `a Supabase project's own history is kept up and believed`() async throws {
    let migrations = AgentSchema.migrations
    try await withTestDatabase(.bootstrapped) { database in
      try await database.execute(
        """
        create schema supabase_migrations authorization postgres;
        set role postgres;
        create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text)
        """)
      try await withMigrator(migrations, on: database) { migrator in
        try await migrator.push()
        let names = try await database.execute(
          "select version || '_' || name from supabase_migrations.schema_migrations order by 1")
        #expect(names == migrations.map { "\($0.version)_\($0.name)" })
        let text = try await database.execute(
          "select statements[1] from supabase_migrations.schema_migrations order by version limit 1")
        #expect(text == [migrations[0].sql])
        _ = try await migrator.rollback()
        let left = try await database.execute("select count(*) from supabase_migrations.schema_migrations")
        #expect(left == ["\(migrations.count - 1)"])
        // What the supabase CLI has applied is not applied again.
        try await migrator.push()
        try await database.execute("drop table simplon.schema_migrations", as: .owner)
        let applied = try await migrator.push()
        #expect(applied.isEmpty)
        try await migrator.verify()
      }
    }
  }

  @Test func `other tools' histories are shown`() async throws {
    try await withMigrator(AgentSchema.migrations) { migrator, database in
      try await database.execute(
        """
        create table public.alembic_version (version_num text); insert into public.alembic_version values ('ab12');
        create schema drizzle; create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);
        insert into drizzle.__drizzle_migrations (hash, created_at) values ('old', 1), ('new', 2);
        grant usage on schema drizzle to postgres; grant select on all tables in schema drizzle, public to postgres
        """)
      let status = try await migrator.status()
      #expect(status.foreign.map(\.tool) == ["alembic", "drizzle"])
      #expect(status.foreign.map(\.versions) == [["ab12"], ["new", "old"]])
      #expect(status.items.allSatisfy { $0.state == .pending })
      let history = try await database.execute("select to_regclass('simplon.schema_migrations')::text")
      #expect(history == [nil])
    }
  }
}
