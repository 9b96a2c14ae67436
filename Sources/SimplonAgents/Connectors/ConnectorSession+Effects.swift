import FoundationEssentials
import SimplonCore
import SimplonPostgres

extension ConnectorSession {
  /// Does something once for a step and attempt: the record of it and what it does are one transaction of the database
  /// that it changes.
  ///
  /// An earlier call that is still under way is waited for.
  ///
  /// - Returns: what the body gives, or what it gave then.
  /// - Throws: `run.interrupted` when the earlier call takes too long; what the body throws.
  func once(_ call: ToolCall, _ body: () async throws -> JSON) async throws -> JSON {
    let found: PostgresRows
    do {
      found = try await connection.query(
        "select is_new, outcome from simplon_effect_begin(\(call.runID), \(call.stepID), \(Int64(call.attempt)))")
    } catch let error as SimplonError where error.code == .databaseTimeout {
      throw SimplonError(
        .runInterrupted, "an earlier call of the step is still under way in its database", retry: .backoff,
        cause: error)
    }
    guard let row = found.first else { throw SimplonError(.toolConnector, "simplon_effect_begin gives no row") }
    let (isNew, recorded) = try row.decode(Bool.self, JSON?.self)
    guard isNew else { return recorded ?? .null }
    let outcome = try await body()
    try await connection.query(
      "select simplon_effect_end(\(call.runID), \(call.stepID), \(Int64(call.attempt)), \(outcome))")
    return outcome
  }
}
