import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// Statements as a caller, so that rights in PostgreSQL decide; its refusals in our own words.
struct CallerDatabase: Sendable {
  let client: PostgresClient
  let statementTimeout: Duration
  /// Refuses whoever is not signed in.
  let check: @Sendable (Principal) throws(SimplonError) -> Void

  /// Runs the statements that are there in one transaction; gives the rows of the last.
  ///
  /// - Throws: `auth.forbidden` for the anon key, and for what the caller has no right to; `database.*`.
  @discardableResult
  func rows(_ queries: PostgresQuery?..., as caller: Principal) async throws -> PostgresRows {
    let answers = try await all(queries.compactMap(\.self), as: caller)
    guard let rows = answers.last else { throw SimplonError.noRow(from: "an empty transaction") }
    return rows
  }

  /// Runs statements in one transaction; gives the rows of each.
  func all(_ queries: [PostgresQuery], as caller: Principal) async throws -> [PostgresRows] {
    try check(caller)
    do {
      return try await client.transaction(
        queries, as: PostgresSession(caller, statementTimeout: statementTimeout))
    } catch let error as SimplonError where error.code == .databasePermission {
      throw SimplonError(
        .authForbidden, "only the service may do this, or, where an agent is a user's own, that user for it",
        hint: "Send the service key, or a token of the agent's owner.", cause: error)
    }
  }
}
