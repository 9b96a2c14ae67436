import CLibpq

/// One result of libpq; freed with its last reader.
///
/// `@unchecked`: libpq never changes a result that it has handed out, and only reading functions are called here, which
/// libpq allows from any thread (PostgreSQL manual, "libpq", "Behavior in Threaded Programs").
final class ResultSet: @unchecked Sendable {
  let result: OpaquePointer
  let rowCount: Int
  let columnCount: Int

  init(_ result: OpaquePointer) {
    self.result = result
    self.rowCount = Int(PQntuples(result))
    self.columnCount = Int(PQnfields(result))
  }

  deinit { PQclear(result) }

  func name(ofColumn column: Int) -> String { PQfname(result, Int32(column)).map { String(cString: $0) } ?? "" }

  func type(ofColumn column: Int) -> PostgresType { PostgresType(oid: PQftype(result, Int32(column))) }

  var affectedRows: Int { PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0 }

  /// The command's tag, such as `COMMIT`.
  var tag: String { PQcmdStatus(result).map { String(cString: $0) } ?? "" }
}
