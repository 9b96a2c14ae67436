import Logging
import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct MigratorTests {
  static let first = Migration(
    version: "20260101000001", name: "first",
    sql: """
      create table public.one (n integer); create index one_n on public.one (n);
      revoke all on public.one from anon, authenticated, service_role;
      """,
    undo: "drop table public.one;")
  static let second = Migration(
    version: "20260101000002", name: "second",
    sql: """
      create function public.two() returns integer language sql as 'select 2';
      revoke all on function public.two() from anon, authenticated, service_role;
      """,
    undo: "drop function public.two();")
  static let third = Migration(
    version: "20260101000003", name: "third",
    sql: "create table public.three (n integer references public.missing (n));",
    undo: nil)

  @Test func `a push applies what is pending in order and a second one nothing`() async throws {
    try await withMigrator([Self.second, Self.first]) { migrator, database in
      let applied = try await migrator.push()
      #expect(applied == ["20260101000001", "20260101000002"])
      let again = try await migrator.push()
      #expect(again.isEmpty)
      let recorded = try await database.execute(
        "select version || ' ' || name || ' ' || checksum from simplon.schema_migrations order by 1")
      #expect(recorded == [Self.first, Self.second].map { "\($0.version) \($0.name) \($0.checksum)" })
      let status = try await migrator.status()
      #expect(status.isCurrent)
      try await migrator.refuseOutdated()
      #expect(status.items.map(\.appliedBy) == ["postgres", "postgres"])
    }
  }

  @Test func `a push stops at the version that is asked for`() async throws {
    try await withMigrator([Self.first, Self.second]) { migrator, database in
      let applied = try await migrator.push(to: Self.first.version)
      #expect(applied == [Self.first.version])
      let status = try await migrator.status()
      #expect(status.items.map(\.state) == [.applied, .pending])
      #expect(!status.isCurrent)
      await expectError(.databaseSchema) { try await migrator.verify() }
      await expectError(.databaseSchema) { try await migrator.refuseOutdated() }
      try await database.execute("update simplon.schema_migrations set checksum = 'x'")
      await expectError(.migrationChanged) { try await migrator.refuseOutdated() }
      await expectError(.migrationMissing) { try await migrator.push(to: "20990101000000") }
    }
  }

  @Test func `many pushes at once apply each migration once`() async throws {
    let many = (10..<30).map { number in
      Migration(
        version: "202601010000\(number)", name: "t", sql: "create table public.t\(number) (n integer);", undo: nil)
    }
    try await withMigrator(many) { migrator, database in
      let counts = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<6 { group.addTask { try await migrator.push().count } }
        return try await group.reduce(0, +)
      }
      #expect(counts == many.count)
      let recorded = try await database.execute("select count(*) from simplon.schema_migrations")
      #expect(recorded == ["\(many.count)"])
    }
  }

  @Test func `a migration that fails changes nothing and the ones before it stay`() async throws {
    let half = Migration(
      version: Self.third.version, name: "third", sql: "create table public.half (n integer); " + Self.third.sql,
      undo: nil)
    try await withMigrator([Self.first, half]) { migrator, database in
      let error = await expectError(.migrationFailed) { try await migrator.push() }
      #expect(error?.message.contains("relation \"public.missing\" does not exist") == true)
      let left = try await database.execute(
        "select to_regclass('public.half')::text union all select to_regclass('public.one')::text")
      #expect(left == [nil, "one"])
      let status = try await migrator.status()
      #expect(status.items.map(\.state) == [.applied, .pending])
    }
  }

  @Test(arguments: [
    "create table public.half (n integer); commit; create table public.rest (n integer)",
    "begin; create table public.half (n integer); commit;", "create table public.half (n integer); rollback; select 1",
    "create table public.half (n integer); savepoint s", "create table public.half (n integer); end",
  ])
  func `a migration that would end its transaction changes nothing and is told why`(sql: String) async throws {
    let bad = Migration(version: Self.second.version, name: "bad", sql: sql, undo: nil, origin: .folder)
    try await withMigrator([Self.first, bad]) { migrator, database in
      let error = await expectError(.migrationFailed) { try await migrator.push() }
      #expect(error?.hint?.contains("take begin, commit") == true)
      let left = try await database.execute("select to_regclass('public.half')::text")
      #expect(left == [nil])
      let status = try await migrator.status()
      #expect(status.items.map(\.state) == [.applied, .pending])
    }
    let undo = Migration(version: Self.second.version, name: "bad", sql: "select 1", undo: sql, origin: .folder)
    try await withMigrator([undo]) { migrator, database in
      try await migrator.push()
      await expectError(.migrationFailed) { _ = try await migrator.rollback() }
      let left = try await database.execute("select to_regclass('public.half')::text")
      #expect(left == [nil])
    }
  }

  @Test func `the words of a transaction may stand in bodies, texts and comments`() async throws {
    let sql = #"""
      -- begin; commit;
      create function public.old() returns text language plpgsql as $$ begin return 'it''s; commit;' || E'\\'; end $$;
      create function public.new() returns integer begin atomic; select 1; end;
      do $body$ begin perform public.old(); end $body$;
      comment on function public.old() is 'rollback; \ $body$';
      """#
    let fine = Migration(version: Self.first.version, name: "fine", sql: sql, undo: nil, origin: .folder)
    try await withMigrator([fine]) { migrator, database in
      try await migrator.push()
      let answer = try await database.execute("select public.old() || public.new()")
      #expect(answer == [#"it's; commit;\1"#])
    }
  }

  @Test func `an applied migration whose text has changed is refused by push and verify and rollback`() async throws {
    try await withMigrator([Self.first]) { migrator, database in
      try await migrator.push()
      let edited = Migration(
        version: Self.first.version, name: "first", sql: Self.first.sql + " ", undo: Self.first.undo)
      try await withMigrator([edited, Self.second], on: database) { changed in
        await expectError(.migrationChanged) { try await changed.push() }
        await expectError(.migrationChanged) { try await changed.verify() }
        await expectError(.migrationChanged) { _ = try await changed.rollback() }
        let status = try await changed.status()
        #expect(status.items.map(\.state) == [.changed, .pending])
      }
      let two = try await database.execute("select to_regproc('public.two')::text")
      #expect(two == [nil])
    }
  }

  @Test func `a database that is newer than the binary is refused`() async throws {
    try await withMigrator([Self.first, Self.second]) { migrator, database in
      try await migrator.push()
      try await withMigrator([Self.first], on: database) { older in
        await expectError(.migrationNewer) { try await older.push() }
        await expectError(.migrationNewer) { try await older.verify() }
        await expectError(.migrationNewer) { _ = try await older.rollback() }
        let status = try await older.status()
        #expect(status.items.map(\.state) == [.applied, .unknown])
      }
      try await withMigrator([Self.second], on: database) { other in
        await expectError(.migrationMissing) { try await other.push() }
      }
    }
  }

  @Test func `a rollback takes back one or all down to a version`() async throws {
    let three = Migration(
      version: Self.third.version, name: "third", sql: "create table public.three ();", undo: "drop table public.three;"
    )
    try await withMigrator([Self.first, Self.second, three]) { migrator, database in
      try await migrator.push()
      let one = try await migrator.rollback()
      #expect(one == [three.version])
      try await migrator.push()
      let two = try await migrator.rollback(to: Self.first.version)
      #expect(two == [three.version, Self.second.version])
      let left = try await database.execute("select version from simplon.schema_migrations")
      #expect(left == [Self.first.version])
      await expectError(.migrationMissing) { _ = try await migrator.rollback(to: Self.second.version) }
      let all = try await migrator.rollback(to: "0")
      #expect(all == [Self.first.version])
    }
  }

  @Test func `a rollback that cannot be carried out changes nothing`() async throws {
    try await withMigrator([Self.first]) { migrator, database in
      try await migrator.push()
      try await database.execute("create view public.uses as select n from public.one", as: .owner)
      await expectError(.migrationFailed) { _ = try await migrator.rollback() }
      let status = try await migrator.status()
      #expect(status.items.map(\.state) == [.applied])
    }
    let final = Migration(version: Self.first.version, name: "first", sql: Self.first.sql, undo: nil)
    try await withMigrator([final]) { migrator, _ in
      try await migrator.push()
      await expectError(.migrationMissing) { _ = try await migrator.rollback() }
    }
  }

  @Test(arguments: [
    ("drop table public.one", "table public.one"), ("drop index public.one_n", "index public.one_n"),
    ("drop function public.two()", "function public.two"),
  ])
  func `verify names what someone has dropped`(damage: String, missing: String) async throws {
    try await withMigrator([Self.first, Self.second]) { migrator, database in
      try await migrator.push()
      try await migrator.verify()
      try await database.execute(damage)
      let error = await expectError(.databaseSchema) { try await migrator.verify() }
      #expect(error?.message.contains(missing) == true)
    }
  }

  @Test func `a schema name that could be anything but a name is refused`() async throws {
    try await withMigrator([]) { migrator, database in
      for name in ["", "Agents", "1a", "a b", "a\"; drop schema public; --", String(repeating: "a", count: 64), "ä"] {
        await expectError(.configInvalid) {
          try await withMigrator([], on: database, schema: name) { _ in }
        }
      }
    }
  }

  @Test func `the migrations of a folder live beside those of the binary`() async throws {
    let own = Migration(
      version: "20260102000000", name: "own", sql: "create table public.own ();", undo: "drop table public.own;",
      origin: .folder)
    try await withMigrator([Self.first, own]) { migrator, database in
      try await migrator.push()
      // A server that knows nothing of the folder works on, and takes back only what is its own.
      try await withMigrator([Self.first], on: database) { alone in
        try await alone.push()
        try await alone.verify()
        let undone = try await alone.rollback()
        #expect(undone == [Self.first.version])
      }
    }
  }
}
