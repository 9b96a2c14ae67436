import CLibpq
public import SimplonCore

/// One row of an answer.
public struct PostgresRow: Sendable {
  let results: ResultSet
  let index: Int

  /// Reads all columns by position: `try row.decode(UUID.self, String?.self)`.
  ///
  /// - Throws: `database.decoding` when the number of columns, a type or a value does not fit; the error names the
  ///   column and never holds the value.
  public func decode<each Value: PostgresDecodable>(_ types: repeat (each Value).Type) throws(SimplonError)
    -> (repeat each Value)
  {
    var wanted = 0
    for _ in repeat each types { wanted += 1 }
    try check(columns: wanted)
    var column = -1
    func next<Next: PostgresDecodable>(_: Next.Type) throws(SimplonError) -> Next {
      column += 1
      return try value(column)
    }
    return (repeat try next((each Value).self))
  }

  /// Reads the only column.
  ///
  /// - Throws: `database.decoding`, also when there are more.
  public func decode<Value: PostgresDecodable>(_ type: Value.Type) throws(SimplonError) -> Value {
    try check(columns: 1)
    return try value(0)
  }

  /// Reads one column by its name; the first, if several have it.
  ///
  /// - Throws: `database.decoding` when there is no such column, or its type or value does not fit.
  public func decode<Value: PostgresDecodable>(_ column: String, as: Value.Type = Value.self) throws(SimplonError)
    -> Value
  {
    guard let position = (0..<results.columnCount).first(where: { results.name(ofColumn: $0) == column }) else {
      throw SimplonError(.databaseDecoding, "a row has no column \"\(column)\"")
    }
    return try value(position)
  }

  private func check(columns wanted: Int) throws(SimplonError) {
    guard wanted == results.columnCount else {
      throw SimplonError(.databaseDecoding, "a row has \(results.columnCount) columns, not \(wanted)")
    }
  }

  private func value<Value: PostgresDecodable>(_ column: Int) throws(SimplonError) -> Value {
    let (row, position) = (Int32(index), Int32(column))
    do throws(SimplonError) {
      guard PQgetisnull(results.result, row, position) == 0 else { return try Value.postgresNull() }
      let length = Int(PQgetlength(results.result, row, position))
      let bytes = UnsafeRawBufferPointer(start: PQgetvalue(results.result, row, position), count: length)
      let type = results.type(ofColumn: column)
      let value = try Value(postgres: bytes.bytes, type: type)
      // The bytes belong to the results, which must live until they are read.
      withExtendedLifetime(results) {}
      return value
    } catch {
      throw SimplonError(
        .databaseDecoding, "column \(column + 1) (\"\(results.name(ofColumn: column))\"): \(error.message)",
        hint: error.hint, cause: error)
    }
  }
}
