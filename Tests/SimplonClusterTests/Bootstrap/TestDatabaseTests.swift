import SimplonCluster
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct TestDatabaseTests {
  @Test func `a test database belongs to postgres who is no superuser`() async throws {
    try await withTestDatabase(.bootstrapped) { database in
      let owner = try await database.execute(
        """
        select r.rolname || ' ' || r.rolsuper || ' ' || r.rolbypassrls from pg_database d
        join pg_roles r on r.oid = d.datdba where d.datname = current_database()
        """, as: .owner)
      #expect(owner == ["postgres false true"])
    }
  }

  @Test(arguments: [
    (ClusterState.Login.admin, "supabase_admin supabase_admin"), (.owner, "postgres postgres"),
    (.api, "simplon_api simplon_api"), (.worker, "simplon_worker service_role"),
  ])
  func `each login has its role from its first statement on`(login: ClusterState.Login, expected: String) async throws {
    try await withTestDatabase(.bootstrapped) { database in
      let first = try await database.execute("select session_user || ' ' || current_user", as: login)
      #expect(first == [expected])
      let reset = try await database.execute("reset all; select session_user || ' ' || current_user", as: login)
      #expect(reset == [expected])
    }
  }
}
