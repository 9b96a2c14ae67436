package import FoundationEssentials
import SimplonCore
package import SimplonIdentity

extension Runs {
  /// Makes a ticket that opens the run's stream where no header can be sent.
  ///
  /// - Returns: the ticket, which is stored as a hash only, and when it ends, ISO 8601.
  /// - Throws: `run.not_found`.
  package func issueTicket(for run: UUID, as caller: Principal) async throws -> (ticket: String, expiresAt: String) {
    try signedIn(caller)
    var generator = SystemRandomNumberGenerator()
    let ticket = Ticket(using: &generator)
    let expires = try await tickets.issue(
      for: run, hash: ticket.hash, tokenExpires: caller.expiresAt ?? 4_102_444_800, as: caller)
    return (ticket.token, expires)
  }

  /// The principal behind a ticket.
  ///
  /// - Throws: `auth.ticket` when it is unknown, for another run, first used too late, or has ended.
  package func redeemTicket(_ ticket: String, for run: UUID) async throws -> Principal {
    guard let ticket = Ticket(parsing: ticket),
      let row = try await tickets.redeem(hash: ticket.hash, run: run),
      let role = row.claims["role"]?.string.flatMap(Principal.Role.init(rawValue:))
    else {
      throw SimplonError(
        .authTicket, "the ticket is unknown, has ended, or is for another run",
        hint: "Ask for a new one: POST /agent/logs/ticket")
    }
    return Principal(
      role: role, subject: row.claims["sub"]?.string.flatMap(UUID.init(uuidString:)),
      claims: row.claims.object ?? [:], source: .ticket, expiresAt: row.expiresAt)
  }
}
