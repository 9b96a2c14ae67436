import SimplonCore
import SimplonPostgres
import Testing

@Suite(.timeLimit(.minutes(1))) struct QueryTests {
  @Test func `a value is bound and never spliced`() async throws {
    try await withClient { client in
      let evil = "'; drop table x; --"
      let rows = try await client.query("select \(evil)::text as text, \(7), \(nil as Int?)")
      let (text, number, none) = try #require(rows.first).decode(String.self, Int.self, Int?.self)
      #expect(text == evil && number == 7 && none == nil)
      #expect(rows.columns.count == 3 && rows.columns[0] == "text")
      #expect(try #require(rows.first).decode("text", as: String.self) == evil)
    }
  }

  @Test func `raw text must be spelled out`() async throws {
    try await withClient { client in
      let column = "relname"
      let rows = try await client.query("select \(unsafeSQL: column) from pg_class where relname = \("pg_class")")
      #expect(try rows.map { try $0.decode(String.self) } == ["pg_class"])
    }
  }

  @Test func `the number of changed rows is told`() async throws {
    try await withClient { client in
      try await client.query("create table changed (n bigint)")
      #expect(try await client.query("insert into changed select generate_series(1, 5)").affectedRows == 5)
      #expect(try await client.query("update changed set n = 0 where n > 3").affectedRows == 2)
      #expect(try await client.query("select from changed").count == 5)
    }
  }

  @Test func `statements of one call are one transaction`() async throws {
    try await withClient { client in
      try await client.query("create table together (n bigint primary key)")
      let rows = try await client.transaction(["insert into together values (1)", "select count(*) from together"])
      #expect(try rows[1][0].decode(Int.self) == 1)
      await expect(.databaseConstraint) {
        _ = try await client.transaction(["insert into together values (2)", "insert into together values (1)"])
      }
      #expect(try await client.query("select n from together").count == 1)
    }
  }

  @Test func `a deferred constraint that fails at the commit fails the call`() async throws {
    try await withClient { client in
      try await client.query("create table deferred (n bigint unique deferrable initially deferred)")
      await expect(.databaseConstraint) {
        _ = try await client.transaction(["insert into deferred values (1)", "insert into deferred values (1)"])
      }
      #expect(try await client.query("select from deferred").isEmpty)
    }
  }

  @Test(arguments: [
    ("select 1/0", SimplonError.Code.databaseQuery, "22012"), ("select * from nowhere", .databaseQuery, "42P01"),
    ("selec", .databaseQuery, "42601"), ("select 'x'::uuid", .databaseQuery, "22P02"),
    ("do $$ begin raise sqlstate '40001'; end $$", .databaseConflict, "40001"),
    ("do $$ begin raise sqlstate '53100'; end $$", .storageFull, "53100"),
  ])
  func `an error has its SQLSTATE and none of the server's words`(sql: String, code: SimplonError.Code, state: String)
    async throws
  {
    try await withClient { client in
      let error = await #expect(throws: SimplonError.self) { try await client.query("\(unsafeSQL: sql)") }
      #expect(error?.code == code)
      #expect(error?.details?["sqlstate"]?.string == state)
      #expect(error?.description.contains(sql) == false)
      #expect(error?.cause != nil)
    }
  }

  @Test(arguments: [
    ("SIM01", SimplonError.Code.runStale), ("SIM02", .runState), ("SIM03", .runNotFound),
    ("SIM04", .requestIdempotency), ("SIM05", .requestInvalid),
  ])
  func `what our own functions raise is passed on`(state: String, code: SimplonError.Code) async throws {
    try await withClient { client in
      let error = await #expect(throws: SimplonError.self) {
        try await client.query(
          "do \(unsafeSQL: "$$ begin raise sqlstate '\(state)' using message = 'm', detail = 'd', hint = 'h'; end $$")")
      }
      #expect(error?.code == code && error?.message == "m" && error?.hint == "h")
      #expect(error?.details?["detail"] == "d")
    }
  }

  @Test(arguments: [
    "begin", " START TRANSACTION", "/* a /* b */ */ commit", "-- x\nset role nobody", "rollback", "reset all",
    "listen x", "copy t to stdout", "prepare x as select 1", "discard all", ";;savepoint x",
  ])
  func `what needs a session is refused on shared connections`(sql: String) async throws {
    try await withClient { client in
      await expect(.databaseQuery) { _ = try await client.query("\(unsafeSQL: sql)") }
    }
  }

  @Test func `a text with a zero byte is refused before it is sent`() async throws {
    try await withClient { client in
      await expect(.requestInvalid) { _ = try await client.query("select \("a\0b")::text") }
      await expect(.requestInvalid) { _ = try await client.query("select \(["a\0b"])") }
      await expect(.databaseQuery) { _ = try await client.query("select 1\(unsafeSQL: "\0")") }
    }
  }

  @Test func `a table may change under its prepared statements`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      try await client.query("create table changing (a int)")
      #expect(try await client.query("select * from changing").columns == ["a"])
      try await client.query("alter table changing add b int")
      #expect(try await client.query("select * from changing").columns == ["a", "b"])
      try await client.query("drop table changing")
      await expect(.databaseQuery) { _ = try await client.query("select * from changing") }
    }
  }

  @Test func `prepared statements are bounded`() async throws {
    try await withClient({ $0.sharedConnections = 1 }) { client in
      for number in 0..<600 { try await client.query("select \(unsafeSQL: String(number))") }
      let count = try await client.query("select count(*) from pg_prepared_statements")[0].decode(Int.self)
      #expect(count > 200 && count <= 257)
      let first = try await client.query("select \(unsafeSQL: "0")")
      #expect(try first[0].decode(Int.self) == 0)
    }
  }

  @Test func `a statement takes its limit of parameters and no more`() async throws {
    try await withClient { client in
      let full = PostgresQuery(numbers: 65_535)
      let count = try await client.query(full)[0].decode(Int.self)
      #expect(count == 65_535)
      await expect(.requestTooLarge) { _ = try await client.query(PostgresQuery(numbers: 65_536)) }
    }
  }

  @Test func `megabytes go both ways`() async throws {
    try await withClient { client in
      let bytes = [UInt8]((0..<5_000_000).map { UInt8(truncatingIfNeeded: $0) })
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            let back = try await client.query("select \(bytes)")[0].decode([UInt8].self)
            #expect(back == bytes)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `a notice does no harm`() async throws {
    try await withClient { client in
      try await client.query("do \(unsafeSQL: "$$ begin raise notice 'x'; end $$")")
      #expect(try await client.query("select 1")[0].decode(Int.self) == 1)
    }
  }

  @Test func `COPY in disguise ends the connection and nothing else`() async throws {
    try await withClient { client in
      try await client.withConnection { connection in
        _ = await expect(.databaseQuery) { _ = try await connection.query("copy (select 1) to stdout") }
      }
      #expect(try await client.withConnection { try await $0.query("select 1")[0].decode(Int.self) } == 1)
    }
  }
}

extension PostgresQuery {
  /// `select 0 + $1 + …`, as many as there are, each being 1.
  fileprivate init(numbers count: Int) {
    var text = StringInterpolation(literalCapacity: count * 4, interpolationCount: count)
    text.appendLiteral("select cardinality(array[")
    for number in 0..<count {
      if number > 0 { text.appendLiteral(",") }
      text.appendInterpolation(1)
    }
    text.appendLiteral("])")
    self.init(stringInterpolation: text)
  }
}
