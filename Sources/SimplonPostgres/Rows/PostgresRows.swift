/// What one statement answered: its rows, in order, decoded when they are asked for.
public struct PostgresRows: RandomAccessCollection, Sendable {
  let results: ResultSet

  /// The number of rows that the statement returned, inserted, changed or deleted.
  public var affectedRows: Int { results.affectedRows }

  /// The command's tag, such as `INSERT 0 1`.
  package var tag: String { results.tag }

  /// The names of the columns, in order.
  public var columns: [String] { (0..<results.columnCount).map(results.name(ofColumn:)) }

  /// Zero.
  public var startIndex: Int { 0 }

  /// The number of rows.
  public var endIndex: Int { results.rowCount }

  /// The row at that position.
  public subscript(position: Int) -> PostgresRow {
    precondition(indices.contains(position), "there is no row \(position) among \(count)")
    return PostgresRow(results: results, index: position)
  }
}
