import SimplonAgents
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct VerifyTests {
  @Test(arguments: [
    (
      "drop policy agent_runs_read_own on public.agent_runs",
      "policy agent_runs_read_own of table public.agent_runs is missing"
    ),
    (
      "alter policy agent_runs_read_own on public.agent_runs using (true)",
      "policy agent_runs_read_own of table public.agent_runs has changed"
    ),
    (
      "alter policy agent_runs_read_own on public.agent_runs to public",
      "policy agent_runs_read_own of table public.agent_runs has changed"
    ),
    (
      "create policy all_see on public.agent_steps for select to authenticated using (true)",
      "policy all_see of table public.agent_steps is not ours"
    ),
    (
      "alter table public.agent_steps disable row level security",
      "row level security of table public.agent_steps has changed"
    ),
    (
      "alter table public.agent_steps no force row level security",
      "row level security of table public.agent_steps has changed"
    ),
    (
      "alter table public.agent_runs alter column agent type varchar(20)",
      "column agent of table public.agent_runs has changed"
    ),
    (
      "alter table public.agent_runs alter column created_at drop not null",
      "column created_at of table public.agent_runs has changed"
    ),
    (
      "alter table public.agent_runs alter column metadata drop default",
      "column metadata of table public.agent_runs has changed"
    ),
    (
      "create or replace function simplon.uuid_v7() returns uuid language sql volatile as 'select gen_random_uuid()'",
      "function simplon.uuid_v7() has changed"
    ),
    ("grant select on public.agent_runs to anon", "right of anon to select table public.agent_runs is not ours"),
    (
      "grant insert (status) on public.agent_runs to authenticated",
      "right of authenticated to insert column status of table public.agent_runs is not ours"
    ),
    (
      "revoke select on public.agent_runs from service_role",
      "right of service_role to select table public.agent_runs is missing"
    ),
    (
      "grant execute on function simplon.sweep() to public",
      "right of public to execute function simplon.sweep() is not ours"
    ),
    (
      "alter table public.agent_runs drop constraint agent_runs_finished",
      "constraint agent_runs_finished of table public.agent_runs is missing"
    ),
    ("drop index public.agent_artifacts_of_blob", "index public.agent_artifacts_of_blob is missing"),
    ("alter table public.agent_steps owner to simplon_api", "table public.agent_steps has changed"),
    ("drop table public.system_health", "table public.system_health is missing"),
  ])
  func `what was changed by hand is named`(damage: String, expected: String) async throws {
    try await withTestDatabase(.migrated) { database in
      try await withMigrator(AgentSchema.migrations, on: database) { migrator in
        try await migrator.verify()
        try await database.execute(damage)
        let found = await differences(migrator)
        #expect(found.contains(expected), "\(found)")
      }
    }
  }

  @Test func `each trigger and each partition counts`() async throws {
    try await withTestDatabase(.migrated) { database in
      let trigger = try await database.execute(
        "select min(tgname) from pg_trigger where tgrelid = 'public.agent_runs'::regclass and not tgisinternal")
      let name = try #require(trigger[0])
      try await database.execute("alter table public.agent_runs disable trigger \(name)")
      let partition = try await database.execute(
        "select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'public.agent_task_logs'::regclass")
      try await database.execute("alter table \(try #require(partition[0])) disable row level security")
      try await withMigrator(AgentSchema.migrations, on: database) { migrator in
        let found = await differences(migrator)
        #expect(
          found == [
            "trigger \(name) of table public.agent_runs has changed",
            "row level security of the partition of public.agent_task_logs has changed",
          ])
      }
    }
  }

  @Test func `what somebody adds beside it is theirs, and verify leaves no trace`() async throws {
    try await withTestDatabase(.migrated) { database in
      try await database.execute(
        """
        alter table public.agent_runs add column note text; create index on public.agent_runs (note);
        alter type public.task_status add value 'dreaming';
        create table public.notes (n integer); grant all on public.notes to anon;
        create function simplon.theirs() returns integer language sql as 'select 1';
        create role reader_of_\(database.name); grant select on public.agent_runs to reader_of_\(database.name)
        """)
      try await withMigrator(AgentSchema.migrations, on: database) { migrator in
        try await migrator.verify()
        let left = try await database.execute(
          "select count(*) from pg_namespace where nspname like 'simplon_%'")
        #expect(left == ["0"])
      }
      try await database.execute(
        "revoke all on public.agent_runs from reader_of_\(database.name); drop role reader_of_\(database.name)")
    }
  }

  /// What verify finds, in order; nothing when all is well.
  private func differences(_ migrator: Migrator) async -> Set<String> {
    do {
      try await migrator.verify()
      return []
    } catch let error as SimplonError where error.code == .databaseSchema {
      return Set(error.details?["differences"]?.array?.compactMap(\.string) ?? [])
    } catch {
      return ["\(error)"]
    }
  }
}
