package import SimplonCore

#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

/// Whoever asks: a role, the person behind it if there is one, and the claims that row level security sees.
///
/// Role, subject and claims always agree: what `role` and `subject` say stands in `claims` too, so PostgreSQL's
/// `auth.role()` and `auth.uid()` give exactly these two.
package struct Principal: Sendable, Hashable {
  /// The PostgreSQL role that requests run as.
  package enum Role: String, Sendable {
    case anon
    case authenticated
    case serviceRole = "service_role"
  }

  /// How the caller proved who it is.
  package enum Source: String, Sendable {
    /// A project's key: `sb_publishable_…`, `sb_secret_…`, or a JWT of the project for a role without a person.
    case key
    /// A person's JWT.
    case jwt
    /// A stream's ticket.
    case ticket
    /// The command line on the server's own machine.
    case local
  }

  /// The PostgreSQL role that requests run as.
  package let role: Role
  /// What `auth.uid()` gives: the person here, whichever issuer signed; nil for a key.
  package let subject: UUID?
  /// The configured URL of the issuer that signed, also when the token named an alias; nil without a token.
  package let issuer: String?
  /// All claims as an object, `role` and `sub` as above.
  package let claims: JSON
  /// The claims as compact JSON, for `request.jwt.claims`.
  package let claimsText: String
  /// How the caller proved who it is.
  package let source: Source
  /// Unix seconds after which the proof is worth nothing, from 0 to the end of year 9999; nil: it does not expire.
  package let expiresAt: Int?

  /// Makes a principal whose claims hold its role and subject, whatever they said before.
  ///
  /// - Parameters:
  ///   - role: the PostgreSQL role.
  ///   - subject: the person; nil removes claim `sub`.
  ///   - issuer: the issuer's configured URL.
  ///   - claims: further claims.
  ///   - source: how the caller proved who it is.
  ///   - expiresAt: Unix seconds.
  package init(
    role: Role, subject: UUID? = nil, issuer: String? = nil, claims: [String: JSON] = [:], source: Source,
    expiresAt: Int? = nil
  ) {
    var claims = claims
    claims["role"] = .string(role.rawValue)
    claims["sub"] = subject.map { .string($0.uuidString.lowercased()) }
    self.role = role
    self.subject = subject
    self.issuer = issuer
    self.claims = .object(claims)
    self.claimsText = self.claims.text
    self.source = source
    self.expiresAt = expiresAt
  }
}
