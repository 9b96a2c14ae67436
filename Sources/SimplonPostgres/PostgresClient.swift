public import Logging
public import ServiceLifecycle
import SimplonCore

/// A pool of connections to PostgreSQL.
///
/// ```swift
/// let client = PostgresClient(configuration: .init(dsn: "postgres://localhost/app"), logger: logger)
/// async let running: Void = client.run()
/// let rows = try await client.query("select name from users where id = \(id)")
/// let name = try rows.first?.decode(String.self)
/// ```
///
/// Single statements of all callers are pipelined over a few shared connections, each in an implicit transaction of its
/// own, with the caller's role, claims and time limit: one caller's error touches no other. Statements on a connection
/// run one after the other, so slow ones belong into ``withConnection(_:)``. A cancelled caller is released at once; what
/// it had sent runs on within its time limit.
///
/// Nothing is connected, and callers wait, unless ``run()`` is running.
public final class PostgresClient: Service, Sendable {
  let pool: Pool
  private let clock = ContinuousClock()

  /// Makes a client; nothing is connected yet.
  ///
  /// - Parameters:
  ///   - configuration: where PostgreSQL is.
  ///   - logger: told of lost connections, and at debug level of the server's notices.
  public init(configuration: PostgresConfiguration, logger: Logger) {
    pool = Pool(configuration: configuration, logger: logger)
    pool.startLoop()
  }

  /// Keeps the pool alive until the end; it can run once.
  ///
  /// When its task is cancelled everything stops at once. When a graceful shutdown begins, what is under way may finish,
  /// for as long as a caller would wait for a connection.
  public func run() async throws {
    pool.loop.post(.start)
    do {
      try await gracefulShutdown()
    } catch {
      return pool.loop.post(.stopNow)
    }
    let stopped = Call<Void, Void>(())
    try? await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [pool] in
        try await stopped.value(start: { pool.loop.post(.stop(stopped)) }, onCancel: {})
      }
      group.addTask { [pool] in try await Task.sleep(for: pool.configuration.acquireTimeout) }
      try await group.next()
      group.cancelAll()
    }
    pool.loop.post(.stopNow)
  }

  /// Runs one statement in an implicit transaction on a shared connection.
  ///
  /// - Parameters:
  ///   - query: the statement; one that needs a session of its own, such as `BEGIN` or `SET`, is refused.
  ///   - session: as whom to run it.
  /// - Returns: the rows.
  /// - Throws: `CancellationError`; `database.busy` or `database.unavailable` when there is no connection (nothing has
  ///   happened); `database.outcome_unknown` when the connection broke before the server confirmed a statement that may
  ///   write; else as PostgreSQL says.
  @discardableResult
  public func query(_ query: PostgresQuery, as session: PostgresSession? = nil) async throws -> PostgresRows {
    try await transaction([query], as: session)[0]
  }

  /// Runs statements in one implicit transaction on a shared connection, in one round trip.
  ///
  /// - Returns: the rows of each statement.
  /// - Throws: like ``query(_:as:)``; then none of the statements has an effect.
  @discardableResult
  public func transaction(_ queries: [PostgresQuery], as session: PostgresSession? = nil) async throws -> [PostgresRows]
  {
    let work = Work(
      queries, as: session, limit: pool.configuration.statementTimeout, isPooled: pool.configuration.pooler,
      submitted: clock.now)
    try work.check()
    let request = Request(work)
    return try await request.value(start: { pool.loop.post(.request(request)) }, onCancel: {})
  }

  /// Lends a connection that nobody else uses meanwhile.
  ///
  /// Afterwards it is rolled back and cleaned of everything that a session can hold; when it cannot be proved idle, it is
  /// closed. Do not wait for another exclusive connection inside the body: when all callers do, none gets one.
  ///
  /// - Parameter body: gets the connection.
  /// - Returns: what the body returns.
  /// - Throws: `database.busy` or `database.unavailable` when there is no connection in time; and what the body throws.
  public func withConnection<Result: Sendable>(_ body: (PostgresConnection) async throws -> Result) async throws
    -> Result
  {
    try await withConnection(limit: pool.configuration.statementTimeout, body)
  }

  // `limit`: how long statements may take that have no session of their own.
  private func withConnection<Result: Sendable>(
    limit: Duration?, _ body: (PostgresConnection) async throws -> Result
  ) async throws -> Result {
    let id = pool.nextID()
    let lease = Call<Void, Void>(())
    try await lease.value(
      start: { pool.loop.post(.lease(lease, id: id)) }, onCancel: { [pool] in pool.loop.post(.forgetLease(id: id)) })
    defer { pool.loop.post(.giveBack(lease: id)) }
    return try await body(PostgresConnection(pool: pool, lease: id, limit: limit))
  }

  /// Runs the body in a transaction on a connection of its own, and commits it when the body returns.
  ///
  /// - Parameters:
  ///   - isolation: how strictly it is kept apart from others.
  ///   - session: as whom it runs.
  ///   - retries: how often the whole body is repeated after a serialization failure or a deadlock.
  ///   - body: the work; it may run several times.
  /// - Returns: what the body returns.
  /// - Throws: like ``withConnection(_:)``; `database.conflict` when the last repeat failed too;
  ///   `database.outcome_unknown` when the connection broke during the commit; `database.query` when the body swallowed
  ///   an error, so that there was nothing to commit.
  /// - Source: PostgreSQL manual, "Serialization Failure Handling": 40001 and 40P01 are to be repeated.
  public func withTransaction<Result: Sendable>(
    isolation: PostgresIsolation = .readCommitted, as session: PostgresSession? = nil, retries: Int = 3,
    _ body: (PostgresConnection) async throws -> Result
  ) async throws -> Result {
    let limit = session?.statementTimeout ?? pool.configuration.statementTimeout
    let backoff = Backoff(base: .milliseconds(10), cap: .seconds(1))
    var attempt = 0
    while true {
      do {
        return try await withConnection(limit: limit) { connection in
          try await connection.begin(isolation, as: session)
          let result = try await body(connection)
          try Task.checkCancellation()
          try await connection.commit()
          return result
        }
      } catch let error as SimplonError where attempt < retries && Self.isWorthRepeating(error) {
        attempt += 1
        try await clock.sleep(for: backoff.delay(attempt: attempt))
      }
    }
  }

  private static func isWorthRepeating(_ error: SimplonError) -> Bool {
    guard let sqlState = error.details?["sqlstate"]?.string else { return false }
    return sqlState == "40001" || sqlState == "40P01"
  }

  /// Listens to channels, on a connection of its own for each iterator, from its first `next()` on.
  public func listen(to channels: [String]) -> PostgresNotifications {
    PostgresNotifications(pool: pool, channels: channels)
  }
}
