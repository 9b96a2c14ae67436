import SimplonCore
import Synchronization

/// A connection that one caller has to itself, inside ``PostgresClient/withConnection(_:)`` or
/// ``PostgresClient/withTransaction(isolation:as:retries:_:)``; useless afterwards.
///
/// A cancelled statement is stopped on the server too, and the connection ends with it, as nobody can know which
/// statement a cancel meets. COPY will have its place here.
public final class PostgresConnection: Sendable {
  private let pool: Pool
  private let id: Int
  private let limit: Duration?
  private let isGivenBack = Atomic(false)
  private let clock = ContinuousClock()

  init(pool: Pool, id: Int, limit: Duration?) {
    self.pool = pool
    self.id = id
    self.limit = limit
  }

  /// Runs one statement: in the transaction that is open, else in an implicit one.
  ///
  /// - Parameters:
  ///   - query: the statement.
  ///   - session: as whom to run it; holds until the end of the transaction.
  /// - Returns: the rows.
  /// - Throws: `CancellationError`; `database.unavailable` when the connection broke and nothing can have changed;
  ///   `database.outcome_unknown` when a commit may have happened; else as PostgreSQL says.
  @discardableResult
  public func query(_ query: PostgresQuery, as session: PostgresSession? = nil) async throws -> PostgresRows {
    try await transaction([query], as: session)[0]
  }

  /// Runs statements in one round trip: in the transaction that is open, else in one implicit transaction.
  @discardableResult
  public func transaction(_ queries: [PostgresQuery], as session: PostgresSession? = nil) async throws -> [PostgresRows]
  {
    for query in queries { try query.check(isShared: false) }
    return try await send(work(queries, as: session))
  }

  /// Runs a text of many statements, such as a migration's, by the simple protocol and without a time limit of ours.
  ///
  /// Outside an open transaction all of it is one implicit transaction, unless it begins and commits by itself.
  ///
  /// - Throws: like ``query(_:as:)``, for the first statement that fails.
  public func execute(unsafeSQL: String) async throws {
    try PostgresQuery(unsafeSQL: unsafeSQL).check(isShared: false)
    _ = try await send(Work(script: unsafeSQL, connection: id, submitted: clock.now))
  }

  func begin(_ isolation: PostgresIsolation, as session: PostgresSession?) async throws {
    let begin: PostgresQuery = "begin isolation level \(unsafeSQL: isolation.rawValue)"
    _ = try await send(work([begin] + (session?.prelude.map { [$0] } ?? [])))
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

  /// Ends the caller's use of the connection.
  func giveBack() {
    isGivenBack.store(true, ordering: .sequentiallyConsistent)
    pool.loop.post(.giveBack(connection: id))
  }

  private func work(_ queries: [PostgresQuery], as session: PostgresSession? = nil) -> Work {
    Work(queries, as: session, limit: limit, connection: id, submitted: clock.now)
  }

  private func send(_ work: Work, isShielded: Bool = false) async throws -> [PostgresRows] {
    guard !isGivenBack.load(ordering: .sequentiallyConsistent) else {
      throw SimplonError(.databaseQuery, "a connection was used after it was given back")
    }
    let request = Request(work)
    let start = { [pool] in pool.loop.post(.request(request)) }
    if isShielded { return try await request.value(start: start) }
    return try await request.value(start: start, onCancel: { [pool] in pool.loop.post(.cancel(request)) })
  }
}
