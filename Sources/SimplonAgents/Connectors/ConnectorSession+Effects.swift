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
    let claimed: PostgresRows
    do {
      claimed = try await connection.query(
        """
        insert into simplon_effects (run_id, step_id, attempt) values (\(call.runID), \(call.stepID), \(call.attempt))
        on conflict (run_id, step_id, attempt) do nothing
        """)
    } catch let error as SimplonError where error.code == .databaseTimeout {
      throw SimplonError(
        .runInterrupted, "an earlier call of the step is still under way in its database", retry: .backoff,
        cause: error)
    }
    guard claimed.affectedRows == 0 else {
      let outcome = try await body()
      try await connection.query(
        """
        update simplon_effects set outcome = \(outcome)
        where run_id = \(call.runID) and step_id = \(call.stepID) and attempt = \(call.attempt)
        """)
      return outcome
    }
    let recorded = try await connection.query(
      """
      select outcome from simplon_effects
      where run_id = \(call.runID) and step_id = \(call.stepID) and attempt = \(call.attempt)
      """)
    guard let row = recorded.first, let outcome = try row.decode(JSON?.self) else { return .null }
    return outcome
  }
}
