import SimplonCore
import SimplonPostgres
import Testing

/// What PostgreSQL's error codes become, each raised by a real server.
@Suite(.timeLimit(.minutes(1))) struct SQLStateTests {
  /// A code of the manual's Appendix A, what it becomes, and whether the same call may succeed later.
  struct Row: CustomTestStringConvertible {
    let sqlState: String
    let code: SimplonError.Code
    let retry: SimplonError.Retry
    var testDescription: String { sqlState }

    init(_ sqlState: String, _ code: SimplonError.Code, _ retry: SimplonError.Retry) {
      self.sqlState = sqlState
      self.code = code
      self.retry = retry
    }
  }

  private static let rows = [
    // One code by itself, most of them out of a class that means something else.
    Row("22021", .requestInvalid, .never), Row("22P05", .requestInvalid, .never),
    Row("08007", .databaseOutcomeUnknown, .never), Row("40003", .databaseOutcomeUnknown, .never),
    Row("25006", .databaseUnavailable, .backoff), Row("25P03", .databaseTimeout, .never),
    Row("40001", .databaseConflict, .backoff), Row("40P01", .databaseConflict, .backoff),
    Row("42501", .databasePermission, .never), Row("53100", .storageFull, .backoff),
    Row("53300", .databaseBusy, .backoff), Row("55P03", .databaseConflict, .backoff),
    Row("57014", .databaseTimeout, .never),
    // A whole class, by its first and another code.
    Row("08000", .databaseUnavailable, .backoff), Row("08006", .databaseUnavailable, .backoff),
    Row("23000", .databaseConstraint, .never), Row("23P01", .databaseConstraint, .never),
    Row("28000", .databaseUnavailable, .backoff), Row("28P01", .databaseUnavailable, .backoff),
    Row("40000", .databaseConflict, .backoff), Row("40002", .databaseConflict, .backoff),
    Row("53000", .databaseUnavailable, .backoff), Row("53200", .databaseUnavailable, .backoff),
    Row("57000", .databaseUnavailable, .backoff), Row("57P01", .databaseUnavailable, .backoff),
    Row("58000", .databaseUnavailable, .backoff), Row("58030", .databaseUnavailable, .backoff),
    // Whatever else, and what is in none of the lists though its neighbours are.
    Row("22012", .databaseQuery, .never), Row("25001", .databaseQuery, .never), Row("42601", .databaseQuery, .never),
    Row("55006", .databaseQuery, .never), Row("P0001", .databaseQuery, .never), Row("XX000", .databaseQuery, .never),
    Row("SIM99", .databaseQuery, .never),
  ]

  @Test(arguments: rows) func `each code becomes one of ours, and keeps what the server said to itself`(_ row: Row)
    async throws
  {
    try await withClient { client in
      let error = await expect(row.code) {
        try await client.query(
          "do \(unsafeSQL: "$$ begin raise sqlstate '\(row.sqlState)' using message = 'a row', detail = 'a row'; end $$")"
        )
      }
      #expect(error?.retry == row.retry)
      #expect(error?.details == ["sqlstate": .string(row.sqlState)])
      #expect(error?.message.hasSuffix("(SQLSTATE \(row.sqlState))") == true)
      #expect(error?.description.contains("a row") == false && error?.hint == nil)
      #expect(error.map { String(reflecting: $0).contains("a row") } == true)
    }
  }

  @Test func `a protocol that is not kept may be a pooler's doing, and the hint says so`() async throws {
    try await withClient { client in
      let error = await expect(.databaseUnavailable) {
        try await client.query("do $$ begin raise sqlstate '08P01'; end $$")
      }
      #expect(error?.hint?.contains("SIMPLON_POOLER") == true)
    }
  }

  @Test func `a broken constraint is named`() async throws {
    try await withClient { client in
      try await client.query("create table constrained (n int constraint at_most_one check (n < 2))")
      let error = await expect(.databaseConstraint) { try await client.query("insert into constrained values (4711)") }
      #expect(error?.details == ["sqlstate": "23514", "constraint": "at_most_one"])
      #expect(error?.description.contains("4711") == false)
    }
  }

  @Test func `a server that only reads, and a lock that somebody has, are worth another try`() async throws {
    try await withClient { client in
      try await client.query("create table locked (n int)")
      try await client.withTransaction { holder in
        try await holder.query("lock table locked")
        for (sql, code) in [
          ("set local lock_timeout = '10ms'; lock table locked", SimplonError.Code.databaseConflict),
          ("set transaction read only; drop table locked", .databaseUnavailable),
        ] {
          let error = await expect(code) {
            try await client.withTransaction(retries: 0) { try await $0.execute(unsafeSQL: sql) }
          }
          #expect(error?.retry == .backoff)
        }
      }
    }
  }
}
