import SimplonCore

/// What one request sends to the server: everything up to one Sync.
struct Work: Sendable {
  enum Statements: Sendable {
    /// The extended protocol: one implicit transaction, unless the connection stands in an explicit one.
    case queries([PostgresQuery])
    /// The simple protocol: many statements in one text, without parameters or results.
    case script(String)
  }

  enum Purpose: Equatable, Sendable {
    /// Somebody waits for the rows.
    case caller
    /// Sets up a new connection.
    case greeting
    /// Brings an exclusive connection back to a clean state.
    case reset
    /// Asks an idle connection whether it lives.
    case probe
    /// Begins to listen.
    case listen
    /// Lets the server forget a prepared statement.
    case deallocation
  }

  var statements: Statements
  /// Sets role, claims and time limit for this transaction.
  var prelude: PostgresQuery?
  /// The role that the prelude sets; prepared statements are kept by it.
  var role: String?
  /// How long each statement may run; nil or zero for no limit.
  var statementLimit: Duration?
  /// The lease of the exclusive connection it goes to; nil for any shared one.
  var lease: Int?
  var purpose: Purpose
  /// When it arrived.
  var submitted: ContinuousClock.Instant

  /// Makes work of queries, each of which may take as long as the session says, else `limit`.
  init(
    _ queries: [PostgresQuery], as session: PostgresSession? = nil, limit: Duration?, isPooled: Bool,
    lease: Int? = nil, purpose: Purpose = .caller, submitted: ContinuousClock.Instant
  ) {
    self.statements = .queries(queries)
    self.statementLimit = session?.statementTimeout ?? limit
    self.role = session?.role
    if isPooled {
      // A session of the pooler's cannot keep the time limit for us.
      var session = session ?? PostgresSession()
      session.statementTimeout = statementLimit
      self.prelude = session.prelude
    } else {
      self.prelude = session?.prelude
    }
    self.lease = lease
    self.purpose = purpose
    self.submitted = submitted
  }

  /// Makes work of a script.
  init(script: String, lease: Int, submitted: ContinuousClock.Instant) {
    self.statements = .script(script)
    self.lease = lease
    self.purpose = .caller
    self.submitted = submitted
  }

  /// Refuses what need not even be sent.
  ///
  /// - Throws: `request.invalid`, `request.too_large`, `database.query`.
  func check() throws(SimplonError) {
    switch statements {
    case .queries(let queries): for query in queries { try query.check(isShared: lease == nil) }
    case .script(let text): try PostgresQuery(unsafeSQL: text).check(isShared: false)
    }
    try prelude?.check(isShared: false)
  }

  /// How long the server may take for all of it; nil for no limit.
  var limit: Duration? {
    guard case .queries(let queries) = statements, let statementLimit, statementLimit > .zero else { return nil }
    return min(statementLimit, .seconds(86_400)) * max(1, queries.count)
  }

  /// Whether something may have been changed once the server has it.
  var mayWrite: Bool {
    switch statements {
    case .queries(let queries): queries.contains(where: \.mayWrite)
    case .script: true
    }
  }

  /// Whether it ends an explicit transaction.
  var commits: Bool {
    switch statements {
    case .queries(let queries): queries.contains(where: \.commits)
    case .script: true
    }
  }
}

typealias Request = Call<Work, [PostgresRows]>
