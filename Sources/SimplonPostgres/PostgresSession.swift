/// As whom, and with which limits, statements run: set in their own transaction, and gone with it.
public struct PostgresSession: Hashable, Sendable {
  /// The role to become; nil for the login's own.
  ///
  /// The login must be a member of it.
  public var role: String?
  /// JSON text that policies read as `current_setting('request.jwt.claims', true)`.
  ///
  /// Nil for none.
  public var claims: String?
  /// How long each statement may run; nil for the configuration's limit, zero for no limit.
  public var statementTimeout: Duration?

  /// Makes a session.
  public init(role: String? = nil, claims: String? = nil, statementTimeout: Duration? = nil) {
    self.role = role
    self.claims = claims
    self.statementTimeout = statementTimeout
  }

  /// The statement that makes it hold for the rest of the transaction; nil when there is nothing to set.
  var prelude: PostgresQuery? {
    var text = PostgresQuery.StringInterpolation(literalCapacity: 120, interpolationCount: 3)
    let settings: KeyValuePairs = [
      "role": role, "request.jwt.claims": claims, "statement_timeout": statementTimeout?.statementTimeout,
    ]
    for case (let name, let value?) in settings {
      text.appendLiteral(text.sql.isEmpty ? "select set_config('" : ", set_config('")
      text.appendLiteral(name)
      text.appendLiteral("', ")
      text.appendInterpolation(value)
      text.appendLiteral(", true)")
    }
    return text.sql.isEmpty ? nil : PostgresQuery(stringInterpolation: text)
  }
}

/// How strictly transactions are kept apart.
///
/// - Source: PostgreSQL manual, "Transaction Isolation".
public enum PostgresIsolation: String, Sendable {
  /// Each statement sees what was committed before it began.
  case readCommitted = "read committed"
  /// All statements see what was committed before the first began.
  case repeatableRead = "repeatable read"
  /// As if the transactions ran one after the other.
  case serializable
}
