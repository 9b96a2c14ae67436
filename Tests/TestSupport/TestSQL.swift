import CLibpq
import Dispatch

/// What PostgreSQL or libpq said.
package struct TestSQLFailure: Error, CustomStringConvertible {
  package let text: String
  /// PostgreSQL's code for what went wrong; nil when it was not PostgreSQL.
  package var sqlState: String?
  package var description: String { text }
}

/// Runs SQL text with libpq alone, so that no test judges our client by our client.
///
/// - Returns: the first column of the last result.
@discardableResult
package func executeSQL(_ sql: String, dsn: String) async throws -> [String?] {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try blockingSQL(sql, dsn: dsn) }) }
  }
}

private func blockingSQL(_ sql: String, dsn: String) throws -> [String?] {
  let connection = PQconnectdb(dsn)
  defer { PQfinish(connection) }
  guard PQstatus(connection) == CONNECTION_OK else {
    throw TestSQLFailure(text: String(cString: PQerrorMessage(connection)))
  }
  PQsetNoticeProcessor(connection, { _, _ in }, nil)
  let result = PQexec(connection, sql)
  defer { PQclear(result) }
  switch PQresultStatus(result) {
  case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return []
  case PGRES_TUPLES_OK:
    guard PQnfields(result) > 0 else { return [] }
    return (0..<PQntuples(result)).map { row in
      PQgetisnull(result, row, 0) == 1 ? nil : String(cString: PQgetvalue(result, row, 0))
    }
  default:
    // PG_DIAG_SQLSTATE
    let state = PQresultErrorField(result, CInt(UInt8(ascii: "C")))
    throw TestSQLFailure(
      text: String(cString: PQresultErrorMessage(result)), sqlState: state.map { String(cString: $0) })
  }
}
