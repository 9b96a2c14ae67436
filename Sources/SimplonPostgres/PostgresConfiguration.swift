/// Where PostgreSQL is, and how much of it a ``PostgresClient`` may use.
public struct PostgresConfiguration: Sendable {
  /// A conninfo string or URI of libpq.
  ///
  /// What it leaves out comes from the `PG*` variables and service files; several hosts,
  /// `target_session_attrs`, `sslmode=verify-full` and the rest mean what libpq's manual says.
  public var dsn: String
  /// How many connections carry the queries of all callers.
  ///
  /// 1 or more.
  public var sharedConnections = 4
  /// How many connections there may be for transactions and other exclusive use; 1 or more, made when needed.
  public var exclusiveConnections = 8
  /// How long a caller waits for a connection at most.
  public var acquireTimeout = Duration.seconds(10)
  /// How long one host may take to let us in: whole seconds, two at least.
  ///
  /// A DSN's `connect_timeout` comes first.
  public var connectTimeout = Duration.seconds(10)
  /// How old a connection becomes at most.
  ///
  /// Up to a tenth less, so that not all end at once.
  public var maximumLifetime = Duration.seconds(3600)
  /// How long a statement may run where no session says otherwise; nil for no limit.
  ///
  /// A server that has not answered five seconds after the limit is given up, connection and all.
  public var statementTimeout: Duration? = .seconds(30)
  /// Whether statements stay prepared from one borrower of an exclusive connection to the next, who can read their texts.
  public var keepsStatements = true
  /// Whether there is a transaction pooler (such as PgBouncer) in between.
  ///
  /// Then nothing stays prepared, each exclusive statement outside a transaction may meet another session, and there
  /// are no notifications.
  public var pooler = false
  /// How the server's views show us; a DSN's `application_name` comes first.
  public var applicationName = "simplon"

  /// Makes a configuration with the defaults above.
  public init(dsn: String) { self.dsn = dsn }
}

extension PostgresConfiguration: CustomStringConvertible {
  /// The application's name alone: a DSN may hold a password.
  public var description: String { "PostgresConfiguration(\(applicationName))" }
}
