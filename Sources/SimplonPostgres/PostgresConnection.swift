import SimplonCore

/// A connection that one caller has to itself, inside ``PostgresClient/withConnection(_:)`` or
/// ``PostgresClient/withTransaction(isolation:as:retries:_:)``; useless afterwards.
///
/// A cancelled statement is stopped on the server too, and the connection ends with it, as nobody can know which
/// statement a cancel meets. COPY will have its place here.
public final class PostgresConnection: Sendable {
  private let pool: Pool
  /// Names the use of the connection, not the connection: what comes after the use finds nothing.
  private let lease: Int
  private let limit: Duration?
  private let clock = ContinuousClock()

  init(pool: Pool, lease: Int, limit: Duration?) {
    self.pool = pool
    self.lease = lease
    self.limit = limit
  }

  /// Runs one statement: in the transaction that is open, else in an implicit one.
  ///
  /// - Parameters:
  ///   - query: the statement.
  ///   - session: as whom to run it; holds until the end of the transaction.
  /// - Returns: its rows.
  /// - Throws: `CancellationError`; `database.unavailable` when the connection broke and nothing can have changed;
  ///   `database.outcome_unknown` when a commit may have happened; else as PostgreSQL says.
  @discardableResult
  public func query(_ query: PostgresQuery, as session: PostgresSession? = nil) async throws -> PostgresRows {
    try await transaction([query], as: session)[0]
  }

  /// Runs statements in one round trip: in the transaction that is open, else in one implicit transaction.
  ///
  /// - Returns: the rows of each statement.
  /// - Throws: like ``query(_:as:)``; none of the statements after the one that failed has run.
  @discardableResult
  public func transaction(_ queries: [PostgresQuery], as session: PostgresSession? = nil) async throws -> [PostgresRows]
  {
    try await send(work(queries, as: session))
  }

  /// Runs a text of many statements, such as a migration's, by the simple protocol and without a time limit of ours.
  ///
  /// Outside an open transaction all of it is one implicit transaction, unless it begins and commits by itself.
  ///
  /// - Throws: like ``query(_:as:)``, for the first statement that fails.
  public func execute(unsafeSQL: String) async throws {
    _ = try await send(Work(script: unsafeSQL, lease: lease, submitted: clock.now))
  }

  func begin(_ isolation: PostgresIsolation, as session: PostgresSession?) async throws {
    var session = session ?? PostgresSession()
    // Behind a pooler every request sets its time limit first; but nothing may run before a transaction begins.
    if pool.configuration.pooler, session.statementTimeout == nil { session.statementTimeout = limit }
    let begin: PostgresQuery = "begin isolation level \(unsafeSQL: isolation.rawValue)"
    let queries = [begin] + (session.prelude.map { [$0] } ?? [])
    _ = try await send(Work(queries, limit: limit, isPooled: false, lease: lease, submitted: clock.now))
  }

  /// Commits; a cancel cannot interrupt it, as its outcome must be known.
  func commit() async throws {
    let rows = try await send(work(["commit"]), isShielded: true)
    guard rows.first?.results.tag == "COMMIT" else {
      throw SimplonError(
        .databaseQuery, "the transaction was rolled back: one of its statements had failed",
        hint: "Let the error of a statement leave the transaction's body.")
    }
  }

  private func work(_ queries: [PostgresQuery], as session: PostgresSession? = nil) -> Work {
    Work(
      queries, as: session, limit: limit, isPooled: pool.configuration.pooler, lease: lease, submitted: clock.now)
  }

  private func send(_ work: Work, isShielded: Bool = false) async throws -> [PostgresRows] {
    try work.check()
    let request = Request(work)
    let start = { [pool] in pool.loop.post(.request(request)) }
    if isShielded { return try await request.value(start: start) }
    return try await request.value(start: start, onCancel: { [pool] in pool.loop.post(.cancel(request)) })
  }
}
