import CLibpq
import SimplonCore

/// What PostgreSQL said, whole; for the log alone, as it may hold rows.
struct PostgresServerError: Error, CustomDebugStringConvertible {
  var severity: String
  var sqlState: String
  var message: String
  var detail: String?
  var hint: String?
  var constraint: String?
  var position: String?
  var context: String?

  /// Reads the fields of a failed result; nil when the error is libpq's own, which has no SQLSTATE.
  init?(_ result: OpaquePointer) {
    func field(_ letter: Character) -> String? {
      PQresultErrorField(result, letter.asciiValue.map(Int32.init) ?? 0).map { String(cString: $0) }
    }
    guard let sqlState = field("C") else { return nil }
    self.severity = field("V") ?? field("S") ?? "ERROR"
    self.sqlState = sqlState
    self.message = field("M") ?? ""
    self.detail = field("D")
    self.hint = field("H")
    self.constraint = field("n")
    self.position = field("P")
    self.context = field("W")
  }

  var debugDescription: String {
    let parts = [
      "\(severity) \(sqlState): \(message)", detail.map { "DETAIL: \($0)" }, hint.map { "HINT: \($0)" },
      constraint.map { "CONSTRAINT: \($0)" }, position.map { "POSITION: \($0)" }, context.map { "CONTEXT: \($0)" },
    ]
    return parts.compactMap(\.self).joined(separator: "; ")
  }
}

extension SimplonError {
  /// Translates what PostgreSQL said; the SQLSTATE is in `details.sqlstate`.
  ///
  /// The message is ours, as the server's may hold row data. Only what our own functions raise (class `SIM`) is meant
  /// for callers and passed on, DETAIL as `details.detail`, and without the SQLSTATE, which is our own affair.
  ///
  /// - Source: PostgreSQL 15 manual, Appendix A, "PostgreSQL Error Codes".
  init(_ server: PostgresServerError) {
    if let code = Self.raisedCodes[server.sqlState] {
      self.init(
        code, server.message, hint: server.hint, details: server.detail.map { ["detail": .string($0)] }, cause: server)
      return
    }
    var details: [String: JSON] = ["sqlstate": .string(server.sqlState)]
    if let constraint = server.constraint { details["constraint"] = .string(constraint) }
    let (code, message, retry) = Self.translation(of: server.sqlState)
    // PgBouncer refuses so what it does not know, such as the search_path of a connection.
    let hint =
      server.sqlState == "08P01" ? "When a transaction pooler stands in between, say so: SIMPLON_POOLER=true." : nil
    self.init(
      code, "\(message) (SQLSTATE \(server.sqlState))", hint: hint, details: .object(details), retry: retry,
      cause: server)
  }

  /// What our own SQL functions raise.
  private static let raisedCodes: [String: Code] = [
    "SIM01": .runStale, "SIM02": .runState, "SIM03": .runNotFound, "SIM04": .requestIdempotency,
    "SIM05": .requestInvalid, "SIM07": .runLimit, "SIM20": .authForbidden, "SIM21": .agentNotFound,
    "SIM22": .agentState, "SIM23": .executionNotFound, "SIM24": .executionState, "SIM30": .runBudget,
    "SIM31": .modelNoPrice, "SIM50": .workflowNotFound, "SIM51": .requestQuota, "SIM52": .requestExists,
    "SIM53": .scheduleNotFound, "SIM54": .webhookNotFound, "SIM60": .toolLimit,
  ]

  private static func translation(of sqlState: String) -> (Code, String, Retry) {
    switch sqlState {
    case "22021", "22P05":
      return (.requestInvalid, "PostgreSQL cannot store one of the characters of a text", .never)
    case "08007", "40003":
      return (.databaseOutcomeUnknown, "PostgreSQL does not know whether the change has happened", .never)
    case "25006": return (.databaseUnavailable, "the PostgreSQL server is read-only", .backoff)
    case "25P03": return (.databaseTimeout, "a transaction was idle for too long", .never)
    case "40001", "40P01":
      return (.databaseConflict, "a concurrent transaction got in the way; nothing was changed", .backoff)
    case "42501": return (.databasePermission, "PostgreSQL refuses this to the caller's role", .never)
    case "53100": return (.storageFull, "the disk of the PostgreSQL server is full", .backoff)
    case "53300": return (.databaseBusy, "the PostgreSQL server has no connection left", .backoff)
    case "55P03": return (.databaseConflict, "a lock could not be taken in time", .backoff)
    case "57014":
      return (.databaseTimeout, "a statement was stopped: it passed its time limit or was cancelled", .never)
    default: break
    }
    switch sqlState.prefix(2) {
    case "08": return (.databaseUnavailable, "the connection to PostgreSQL failed", .backoff)
    case "23": return (.databaseConstraint, "the data breaks a constraint", .never)
    case "28": return (.databaseUnavailable, "PostgreSQL refuses the login", .backoff)
    case "40": return (.databaseConflict, "PostgreSQL rolled the transaction back", .backoff)
    case "53": return (.databaseUnavailable, "the PostgreSQL server lacks resources", .backoff)
    case "57": return (.databaseUnavailable, "the PostgreSQL server is stopping or starting", .backoff)
    case "58": return (.databaseUnavailable, "the PostgreSQL server met an error of its system", .backoff)
    default: return (.databaseQuery, "PostgreSQL refused a statement", .never)
    }
  }
}
