import SimplonCore

/// A statement whose interpolated values are bound as parameters, never spliced into its text.
///
/// ```swift
/// let rows = try await client.query("select name from users where id = \(id)")
/// ```
///
/// Raw text, such as the name of a table, must be spelled out: `"select * from \(unsafeSQL: table)"`. Text values leave
/// their type to the server, so that `\(text)` fits a `uuid` or an enum column; where the server cannot tell (arguments
/// of functions that take anything), write `\(text)::text`. Integers are `bigint` for `Int`, else of their own width.
public struct PostgresQuery: ExpressibleByStringInterpolation, Sendable {
  var sql: String
  var parameters = PostgresParameters()
  /// Whether the server only says what the statement would give, and does not run it.
  var isDescription = false

  /// Makes a statement without parameters from a literal.
  public init(stringLiteral value: String) { self.sql = value }

  /// Makes a statement from an interpolated literal; the compiler calls this.
  public init(stringInterpolation: StringInterpolation) {
    self.sql = stringInterpolation.sql
    self.parameters = stringInterpolation.parameters
  }

  /// Makes a statement from text that no caller's value has touched, such as one that was read from a file of ours.
  public init(unsafeSQL: String) { self.sql = unsafeSQL }

  /// The statement between two pieces of text, such as to select from what it gives; it keeps its parameters.
  package func wrapped(_ before: StaticString, _ after: StaticString) -> PostgresQuery {
    var query = self
    query.sql = "\(before)\n\(sql)\n\(after)"
    return query
  }

  /// Collects text and parameters.
  public struct StringInterpolation: StringInterpolationProtocol {
    var sql = ""
    var parameters = PostgresParameters()

    /// Reserves space; the compiler calls this.
    public init(literalCapacity: Int, interpolationCount: Int) {
      sql.reserveCapacity(literalCapacity + interpolationCount * 3)
      parameters.reserveCapacity(interpolationCount)
    }

    /// Appends the statement's own text.
    public mutating func appendLiteral(_ literal: String) { sql += literal }

    /// Binds a value.
    public mutating func appendInterpolation(_ value: some PostgresEncodable) {
      parameters.append(value)
      sql += "$"
      sql += String(parameters.types.count)
    }

    /// Binds a value, or null.
    public mutating func appendInterpolation(_ value: (some PostgresEncodable)?) {
      parameters.append(value)
      sql += "$"
      sql += String(parameters.types.count)
    }

    /// Appends raw text.
    ///
    /// Whoever can choose it can do everything that the connection may.
    public mutating func appendInterpolation(unsafeSQL text: String) { sql += text }
  }
}

extension PostgresQuery {
  /// Refuses a statement that need not even be sent.
  ///
  /// - Parameter isShared: whether it goes to a connection of many callers, where only implicit transactions may run.
  /// - Throws: `request.invalid` for a value, `request.too_large`, or `database.query` for a statement.
  func check(isShared: Bool) throws(SimplonError) {
    if let failure = parameters.failure { throw failure }
    guard parameters.types.count <= 65_535 else {
      throw SimplonError(
        .requestTooLarge, "a statement takes 65535 parameters at most, not \(parameters.types.count)",
        hint: "Bind arrays and use unnest.")
    }
    guard !(sql.utf8.withContiguousStorageIfAvailable { $0.contains(0) } ?? sql.utf8.contains(0)) else {
      throw SimplonError(.databaseQuery, "a statement's text holds U+0000")
    }
    guard isShared, needsExclusiveConnection else { return }
    throw SimplonError(
      .databaseQuery, "\"\(keyword)\" needs a connection of its own",
      hint: "Use withTransaction or withConnection; role, claims and time limits come with a PostgresSession.")
  }
}
