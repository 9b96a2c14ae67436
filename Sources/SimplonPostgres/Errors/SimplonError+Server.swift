package import SimplonCore

extension SimplonError {
  /// The SQLSTATE, when PostgreSQL said no to a statement.
  package var sqlState: String? { details?["sqlstate"]?.string }

  /// Whether it is one that our own SQL functions raise, or somebody in their name.
  package var isRaised: Bool { (cause as? PostgresServerError)?.sqlState.hasPrefix("SIM") == true }

  /// PostgreSQL's own sentence, for classes whose sentences speak of the statement's text alone: that it cannot be read
  /// (42) or is not supported (0A).
  ///
  /// Only whoever wrote the statement may see it: it can quote it. Other classes may quote rows and give nil.
  package var wordsAboutStatement: String? {
    guard let server = cause as? PostgresServerError, ["42", "0A"].contains(String(server.sqlState.prefix(2))) else {
      return nil
    }
    return server.message
  }
}
