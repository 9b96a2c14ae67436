import SimplonCore
import SimplonPostgres

extension PostgresRows {
  /// The row of a statement that always gives one.
  ///
  /// - Throws: `database.schema` when there is none, naming what should have given it.
  func one(from function: String) throws(SimplonError) -> PostgresRow {
    guard let row = first else { throw .noRow(from: function) }
    return row
  }
}
