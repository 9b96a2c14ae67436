import FoundationEssentials
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of tickets: made as the caller, redeemed as `service_role`, as whoever brings one is nobody yet.
struct TicketStore: Sendable {
  let callers: PostgresClient
  let engine: PostgresClient
  let statementTimeout: Duration

  /// Keeps a ticket; gives its end, ISO 8601.
  func issue(for run: UUID, hash: [UInt8], tokenExpires: Int, as caller: Principal) async throws -> String {
    let rows = try await callers.query(
      """
      select to_json(simplon.issue_ticket(\(run), \(hash), to_timestamp(\(Int64(tokenExpires))::bigint))) #>> '{}'
      """, as: PostgresSession(caller, statementTimeout: statementTimeout))
    return try rows.one(from: "simplon.issue_ticket").decode(String.self)
  }

  /// The claims behind a ticket, and the Unix second in which it ends.
  func redeem(hash: [UInt8], run: UUID) async throws -> (claims: JSON, expiresAt: Int)? {
    let rows = try await engine.query(
      """
      select claims, floor(extract(epoch from expires_at))::bigint from simplon.redeem_ticket(\(hash), \(run))
      """)
    guard let row = rows.first else { return nil }
    let (claims, expires) = try row.decode(JSON.self, Int64.self)
    return (claims, Int(expires))
  }
}
