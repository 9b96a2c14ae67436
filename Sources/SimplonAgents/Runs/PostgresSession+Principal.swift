import SimplonIdentity
import SimplonPostgres

extension PostgresSession {
  /// As the caller.
  init(_ caller: Principal, statementTimeout: Duration) {
    self.init(role: caller.role.rawValue, claims: caller.claimsText, statementTimeout: statementTimeout)
  }
}
