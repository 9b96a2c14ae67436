extension PostgresQuery {
  /// Makes a statement out of text that somebody else wrote, with the values of its `$1`, `$2` and so on.
  ///
  /// Whoever wrote the text can do everything that the connection may: it belongs on a login of its own, in a transaction
  /// that bounds it.
  ///
  /// - Parameters:
  ///   - unsafeSQL: one statement.
  ///   - values: as text, whose types the server takes from where they stand; nil for NULL.
  package init(unsafeSQL: String, binding values: [String?]) {
    self.init(unsafeSQL: unsafeSQL)
    for value in values { parameters.append(value) }
  }

  /// Asks what the statement would give, without running it; needs a connection that keeps prepared statements.
  ///
  /// The answer has columns and no rows. The server reads the whole text for it, and refuses one that is no single
  /// statement.
  package var described: PostgresQuery {
    var query = self
    query.isDescription = true
    return query
  }
}

extension PostgresRows {
  /// The types of the columns, in order.
  package var columnTypes: [PostgresType] { (0..<results.columnCount).map(results.type(ofColumn:)) }
}
