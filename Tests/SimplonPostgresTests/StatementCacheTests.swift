import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1))) struct StatementCacheTests {
  /// How often the server has this text prepared on the connection that answers.
  private func counting(_ text: String) -> PostgresQuery {
    "select from pg_prepared_statements where statement = \(text)"
  }

  @Test(arguments: [true, false]) func `a text is prepared once for each role that runs it, and then again for none`(
    isShared: Bool
  ) async throws {
    let text = "select current_user::text as by_role_\(isShared)"
    try await withClient({ $0.sharedConnections = 1 }) { client in
      func check(_ query: (PostgresQuery, PostgresSession?) async throws -> PostgresRows) async throws {
        for (role, expected) in [
          ("pg_monitor", 1), ("pg_monitor", 1), ("pg_read_all_data", 2), (nil, 3), ("pg_monitor", 3),
        ] {
          let user = try await query(PostgresQuery(unsafeSQL: text), PostgresSession(role: role))[0].decode(String.self)
          #expect(user == role ?? "postgres")
          #expect(try await query(counting(text), nil).count == expected)
        }
      }
      if isShared { return try await check { try await client.query($0, as: $1) } }
      try await client.withConnection { connection in try await check { try await connection.query($0, as: $1) } }
    }
  }

  @Test func `a text is prepared for each type of its parameters`() async throws {
    let text = "select pg_typeof($1)::text as by_type"
    try await withClient({ $0.sharedConnections = 1 }) { client in
      for _ in 0..<2 {
        let long = try await client.query("select pg_typeof(\(1))::text as by_type")[0].decode(String.self)
        let short = try await client.query("select pg_typeof(\(Int16(1)))::text as by_type")[0].decode(String.self)
        #expect(long == "bigint" && short == "smallint")
      }
      #expect(try await client.query(counting(text)).count == 2)
    }
  }
}
