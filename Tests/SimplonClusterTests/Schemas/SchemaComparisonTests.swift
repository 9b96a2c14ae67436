import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct SchemaComparisonTests {
  @Test func `databases that do not differ have an empty plan`() async throws {
    let schema = SchemaFamily.sql(3)
    try await withComparison(from: schema, to: schema) { comparison, _, _ in
      let plan = try await comparison.plan()
      #expect(plan.isEmpty && plan.losses.isEmpty && plan.notes == [])
      try await comparison.apply(plan)
    }
  }

  @Test func `what would act with another owner's rights than in the first database is told`() async throws {
    let schema = """
      create view public.mine as select 1 as a; create view public.theirs as select 1 as a;
      create view public.plain with (security_invoker = on) as select 1 as a;
      create function public.f() returns int language sql security definer as 'select 1';
      create function public.g() returns int language sql as 'select 1';
      """
    try await withComparison(from: schema, to: "") { comparison, source, _ in
      #expect(try await comparison.plan().notes == [])
      try await source.execute(
        """
        alter view public.theirs owner to service_role; alter view public.plain owner to service_role;
        alter function public.f() owner to service_role; alter function public.g() owner to service_role
        """)
      let notes = try await comparison.plan().notes
      #expect(
        notes == [
          "these will act with the rights of postgres, and others own them in the first database: "
            + "function public.f(); view public.theirs"
        ])
    }
  }

  @Test func `a plan changes nothing and is the same each time`() async throws {
    try await withComparison(from: SchemaFamily.sql(5), to: SchemaFamily.sql(6)) { comparison, _, _ in
      let first = try await comparison.plan()
      let second = try await comparison.plan()
      #expect(first.statements == second.statements && first.fingerprint == second.fingerprint)
      #expect(first.fingerprint.utf8.count == 64)
    }
  }

  @Test(arguments: [
    ("create table public.t (a int);", "create table public.t (a int, b int);", "column b of public.t"),
    ("", "create table public.t (a int);", "table public.t"),
    ("", "create sequence public.s;", "sequence public.s"),
    ("create type public.e as enum ('a');", "create type public.e as enum ('a', 'b');", "type public.e"),
    ("create table public.t (a varchar(3));", "create table public.t (a varchar(5));", "column a of public.t"),
    ("create table public.t (a int);", "create table public.t (a bigint);", "column a of public.t"),
    ("create table public.t (a numeric(8, 2));", "create table public.t (a numeric(8, 3));", "column a of public.t"),
    (
      "create table public.t (a int) partition by list (a);", "create table public.t (a int);", "table public.t"
    ),
  ])
  func `what loses data is said and refused`(wanted: String, found: String, item: String) async throws {
    try await withComparison(from: wanted, to: found) { comparison, _, _ in
      let plan = try await comparison.plan()
      #expect(plan.losses.map(\.item) == [item])
      await expectError(.schemaLoss) { try await comparison.apply(plan) }
      #expect(try await comparison.plan().fingerprint == plan.fingerprint, "nothing was done")
      try await comparison.apply(plan, allowingLoss: true)
    }
  }

  @Test(arguments: [
    ("bigint", "int"), ("text", "varchar(5)"), ("varchar(9)", "varchar(5)"), ("varchar", "varchar(5)"),
    ("numeric", "int"), ("numeric(9, 3)", "numeric(8, 2)"), ("double precision", "real"), ("text", "int"),
  ])
  func `a wider type keeps all rows and what lies on them`(wide: String, narrow: String) async throws {
    let more = "create index i on public.t (a); alter table public.t add unique (a);"
    try await withComparison(
      from: "create table public.t (a \(wide)); \(more) create view public.v as select a from public.t;",
      to: "create table public.t (a \(narrow)); \(more) create view public.v as select a from public.t;"
        + "insert into public.t values ('12'), (null);"
    ) { comparison, _, target in
      try await comparison.apply(comparison.plan())
      #expect(try await target.execute("select a::text::numeric = 12 from public.v order by a") == ["t", nil])
    }
  }

  @Test func `a value that does not fit stops everything`() async throws {
    try await withComparison(
      from: "create table public.t (a varchar(3)); create table public.made (n int);",
      to: "create table public.t (a text); insert into public.t values ('long');"
    ) { comparison, _, target in
      let plan = try await comparison.plan()
      await expectError(.schemaFailed) { try await comparison.apply(plan, allowingLoss: true) }
      #expect(
        try await target.execute("select a || coalesce(to_regclass('public.made')::text, '') from public.t") == ["long"]
      )
    }
  }

  @Test(arguments: [true, false])
  func `a column that may not be null any more says whether it holds nulls`(holdsNulls: Bool) async throws {
    try await withComparison(
      from: "create table public.t (a int not null, b int not null);",
      to: "create table public.t (a int); insert into public.t values (\(holdsNulls ? "null" : "1"));"
        + (holdsNulls ? "" : "alter table public.t add b int not null default 1;")
    ) { comparison, _, target in
      let plan = try await comparison.plan()
      #expect(plan.losses.map(\.item).sorted() == (holdsNulls ? ["column a of public.t", "column b of public.t"] : []))
      guard holdsNulls else { return try await comparison.apply(plan) }
      await expectError(.schemaFailed) { try await comparison.apply(plan, allowingLoss: true) }
      #expect(try await target.execute("select count(*) from public.t where a is null") == ["1"])
    }
  }

  @Test(arguments: ["a", "b"])
  func `a value goes from an enumeration unless a row holds it`(value: String) async throws {
    let table = """
      create table public.t (e public.e default 'a', more public.e[], check (e <> 'z'));
      create view public.v as select e from public.t where e = 'a'; create index on public.t (e) where e = 'a';
      """
    try await withComparison(
      from: "create type public.e as enum ('z', 'a'); \(table)",
      to: "create type public.e as enum ('a', 'b', 'z'); \(table)"
        + "insert into public.t values ('\(value)', '{a,\(value)}');"
    ) { comparison, _, target in
      let plan = try await comparison.plan()
      #expect(!plan.losses.isEmpty && plan.losses.allSatisfy { $0.loses?.contains("'b'") == true })
      if value == "b" {
        await expectError(.schemaFailed) { try await comparison.apply(plan, allowingLoss: true) }
      } else {
        try await comparison.apply(plan, allowingLoss: true)
      }
      #expect(try await target.execute("select concat_ws(' ', e, more) from public.t") == ["\(value) {a,\(value)}"])
    }
  }

  @Test func `values are added to an enumeration before anything uses them`() async throws {
    try await withComparison(
      from: "create type public.e as enum ('a', 'b'); create table public.t (e public.e default 'b');",
      to: "create type public.e as enum ('a'); create table public.t (e public.e); insert into public.t values ('a');"
    ) { comparison, _, target in
      let plan = try await comparison.plan()
      #expect(plan.statements.map(\.isApart) == [true, false] && plan.losses.isEmpty)
      try await comparison.apply(plan)
      #expect(
        try await target.execute("insert into public.t default values; select e from public.t order by 1") == [
          "a", "b",
        ])
    }
  }

  @Test func `a plan that has become old is refused`() async throws {
    try await withComparison(from: "create table public.t (a int);", to: "") { comparison, source, target in
      let plan = try await comparison.plan()
      try await target.execute("create table public.t (b int)", as: .owner)
      await expectError(.schemaChanged) { try await comparison.apply(plan, allowingLoss: true) }
      try await target.execute("drop table public.t")
      try await source.execute("alter table public.t add c int", as: .owner)
      await expectError(.schemaChanged) { try await comparison.apply(plan, allowingLoss: true) }
      #expect(try await target.execute("select to_regclass('public.t')") == [nil])
    }
  }

  @Test func `what cannot change while rows stay is refused by name`() async throws {
    try await withComparison(
      from: "create type public.c as (a bigint); create table public.t (c public.c);",
      to: "create type public.c as (a int); create table public.t (c public.c);"
    ) { comparison, _, _ in
      let error = await expectError(.schemaNotSupported) { _ = try await comparison.plan() }
      #expect(
        error?.message.contains("type public.c") == true && error?.message.contains("column c of public.t") == true)
    }
  }

  @Test func `a lock that does not come in time changes nothing`() async throws {
    try await withComparison(
      from: "create table public.made (n int); create table public.t (a int, b int);",
      to: "create table public.t (a int);", lockTimeout: .milliseconds(50)
    ) { comparison, _, target in
      let plan = try await comparison.plan()
      try await withClient(target.owner) { other in
        try await other.withTransaction { connection in
          // Somebody reads the table and does not end.
          try await connection.query("select count(*) from public.t")
          await expectError(.databaseConflict) { try await comparison.apply(plan) }
        }
      }
      #expect(try await target.execute("select to_regclass('public.made')") == [nil])
      try await comparison.apply(plan)
    }
  }

  @Test func `schemas of Supabase and of ours are left out unless they are named`() async throws {
    let made = "create schema storage; create table storage.t (a int);"
    try await withComparison(from: made, to: "") { comparison, _, _ in
      let plan = try await comparison.plan()
      #expect(plan.isEmpty)
    }
    try await withComparison(from: "\(made) create table public.t (a int);", to: "", schemas: ["storage"]) {
      comparison, _, target in
      try await comparison.apply(comparison.plan())
      #expect(
        try await target.execute("select concat(to_regclass('storage.t'), to_regclass('public.t'))") == ["storage.t"])
    }
  }

  @Test func `a schema that neither database has is refused`() async throws {
    try await withComparison(from: "", to: "", schemas: ["public", "publik"]) { comparison, _, _ in
      let error = await expectError(.requestInvalid) { _ = try await comparison.plan() }
      #expect(error?.message.contains("publik") == true)
    }
  }

  @Test func `what the first database says cannot end the transaction`() async throws {
    // The comment is data; even a text that closes its literal would run inside one EXECUTE.
    try await withComparison(
      from: "create table public.t (a int); comment on table public.t is '''; commit; drop schema public cascade; --';",
      to: ""
    ) { comparison, _, target in
      try await comparison.apply(comparison.plan())
      let comment = try await target.execute("select obj_description('public.t'::regclass)")
      #expect(comment == ["'; commit; drop schema public cascade; --"])
    }
  }

  @Test func `a thousand tables are compared`() async throws {
    let tables = """
      do $$ begin for i in 1..1000 loop
        execute format('create table public.t%s (id bigint primary key, a text not null default %L, b int)', i, 'x');
        execute format('create index on public.t%s (a)', i);
        execute format('create policy p on public.t%s using (b > 1)', i);
        if i % 50 = 0 then commit; end if;
      end loop; end $$
      """
    try await withComparison(from: tables, to: tables) { comparison, source, _ in
      try await source.execute("alter table public.t7 add c int", as: .owner)
      let plan = try await comparison.plan()
      #expect(plan.statements.map(\.item) == ["column c of public.t7"])
    }
  }
}
