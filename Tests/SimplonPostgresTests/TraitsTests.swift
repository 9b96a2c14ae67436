import Testing

@testable import SimplonPostgres

@Suite struct TraitsTests {
  @Test(arguments: [
    ("select * from t", false), (" /* x */ SELECT v FROM t WHERE id = $1", false), ("table t", false),
    ("values ($1)", true), ("show all", false), ("select f(1)", true), ("select * from t where id = any($1)", true),
    ("insert into t default values", true), ("with x as (select 1) select * from x", true), ("begin", false),
    ("rollback", false), ("commit", true), ("END", true), ("do $$ begin end $$", true), ("", true), ("-- only", true),
    ("/* never closed", true),
  ])
  func `only what certainly changes nothing counts as such`(sql: String, mayWrite: Bool) {
    #expect(PostgresQuery(unsafeSQL: sql).mayWrite == mayWrite)
  }

  @Test(arguments: [
    (" /* a /* b */ c */ Select 1", "select"), ("-- x\rcommit /*\nselect 1*/", "commit"), ("--\ncommit", "commit"),
    (";; insert", "insert"), ("(select 1)", ""), ("", ""),
  ])
  func `the first word is the one that PostgreSQL reads`(sql: String, keyword: String) {
    #expect(PostgresQuery(unsafeSQL: sql).keyword == keyword)
  }

  @Test(arguments: [("commit", true), ("end", true), ("prepare transaction 'x'", true), ("select 1", false)])
  func `what ends a transaction is known`(sql: String, commits: Bool) {
    #expect(PostgresQuery(unsafeSQL: sql).commits == commits)
  }
}
