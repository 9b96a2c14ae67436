import SimplonCore

extension Duration {
  /// The time as PostgreSQL's `statement_timeout` takes it: whole milliseconds, rounded up; zero means no limit.
  var statementTimeout: String {
    self <= .zero
      ? "0" : String(min(max(1, milliseconds + (self > .milliseconds(milliseconds) ? 1 : 0)), 2_147_483_647))
  }
}
