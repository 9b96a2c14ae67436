import SimplonCluster
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct BootstrapTests {
  @Test(arguments: [
    (
      "{\"sub\": \"aaaaaaaa-0000-4000-8000-000000000001\", \"role\": \"authenticated\"}",
      "aaaaaaaa-0000-4000-8000-000000000001"
    ),
    ("{\"role\": \"anon\"}", nil), ("", nil),
  ])
  func `the claims of a request are who asks`(claims: String, person: String?) async throws {
    try await withTestDatabase(.bootstrapped) { database in
      let uid = try await database.execute(
        "set role authenticated; set request.jwt.claims = '\(claims)'; select auth.uid()", as: .api)
      #expect(uid == [person])
      let role = try await database.execute(
        "set role anon; set request.jwt.claims = '\(claims)'; select auth.role() is not distinct from auth.jwt() ->> 'role'",
        as: .api)
      #expect(role == ["t"])
    }
  }

  @Test func `without any claims nobody asks`() async throws {
    try await withTestDatabase(.bootstrapped) { database in
      let none = try await database.execute(
        "set role anon; select num_nonnulls(auth.uid(), auth.role(), auth.jwt())", as: .api)
      #expect(none == ["0"])
    }
  }

  @Test func `what postgres makes in public is granted as on Supabase`() async throws {
    try await withTestDatabase(.bootstrapped) { database in
      try await database.execute("create table public.notes (n integer)", as: .owner)
      let rights = try await database.execute(
        """
        select string_agg(has_table_privilege(r, 'public.notes', 'select, insert, update, delete')::text, ' ')
        from unnest(array['anon', 'authenticated', 'service_role']) r
        """)
      #expect(rights == ["true true true"])
    }
  }

  @Test func `a bootstrap of what is there changes nothing`() async throws {
    try await withTestDatabase(.bootstrapped) { database in
      let state = """
        select string_agg(x, chr(10) order by x) from (
          select r::text from pg_authid r where rolname !~ '^pg_' union all select a::text from pg_default_acl a
          union all select d::text from pg_db_role_setting d union all select n::text from pg_namespace n where nspname !~ '^pg_'
          union all select m.roleid::regrole || ' ' || m.member::regrole || ' ' || m.admin_option from pg_auth_members m
        ) s (x)
        """
      let before = try await database.execute(state)
      try await database.execute(BootstrapSQL.privateCluster)
      try await database.execute(BootstrapSQL.logins(api: "other", worker: "other"))
      let after = try await database.execute(state)
      #expect(after == before)
    }
  }

  @Test func `an empty password and one beyond ASCII go to the server as they are`() throws {
    #expect(try BootstrapSQL.password("", of: "a") == "alter role \"a\" password '';")
    #expect(try BootstrapSQL.password("schön", of: "a") == "alter role \"a\" password 'schön';")
  }

  @Test func `a login that cannot make roles is told what to do`() async throws {
    try await withTestDatabase(.empty) { database in
      try await withClient(database.api) { client in
        let error = await expectError(.databaseRole) {
          _ = try await Bootstrap(client: client).plain(api: "a", worker: "b")
        }
        #expect(error?.hint?.contains("superuser") == true)
      }
    }
  }

  @Test func `only a login that row level security binds may serve callers`() async throws {
    try await withTestDatabase(.bootstrapped) { database in
      try await withClient(database.api) { try await refuseUnsafeLogin(client: $0) }
      for (dsn, reason) in [(database.admin, "superuser"), (database.owner, "BYPASSRLS")] {
        try await withClient(dsn) { client in
          let error = await expectError(.databaseRole) { try await refuseUnsafeLogin(client: client) }
          #expect(error?.message.contains(reason) == true)
        }
      }
      try await database.execute("create table public.mine (n integer); alter table public.mine owner to simplon_api")
      try await withClient(database.api) { client in
        let error = await expectError(.databaseRole) { try await refuseUnsafeLogin(client: client) }
        #expect(error?.message.contains("the table mine") == true)
      }
    }
  }

  @Test(arguments: [("postgres", "the owner of, the table notes"), ("supabase_admin", "the superuser supabase_admin")])
  func `a login that may become what row level security does not bind is refused`(
    role: String, reason: String
  ) async throws {
    try await withTestDatabase(.bootstrapped) { database in
      try await database.execute("create table public.notes (n integer)", as: .owner)
      let login = "login_\(UInt64.random(in: .min ... .max))"
      try await database.execute(
        """
        create role group_\(login) nologin in role \(role);
        create role \(login) login noinherit password 'x' in role group_\(login);
        """)
      try await withClient("\(database.api) user=\(login) password=x") { client in
        let error = await expectError(.databaseRole) { try await refuseUnsafeLogin(client: client) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
      }
      try await database.execute("drop role \(login), group_\(login)")
    }
  }

  @Test(arguments: ["it's", "back\\slash", "\\'; drop role x; --", ""])
  func `a text as a literal stands for itself`(text: String) async throws {
    try await withTestDatabase(.empty) { database in
      for setting in ["on", "off"] {
        let answer = try await database.execute(
          "set standard_conforming_strings = \(setting); select \(BootstrapSQL.literal(text))")
        #expect(answer == [text])
      }
    }
  }
}
