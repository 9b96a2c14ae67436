import Crypto
package import SimplonCore

#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

/// Signs tokens of the project's own issuer: its keys, and people's tokens for development.
package struct TokenMint: Sendable {
  private let issuer: String
  private let secret: SymmetricKey
  private let now: @Sendable () -> Int

  /// Takes the project's secret.
  ///
  /// - Parameters:
  ///   - projectURL: the project's URL, as for ``Issuer/own(projectURL:aliases:secret:now:logger:)``.
  ///   - secret: the JWT secret, at least 32 bytes.
  ///   - now: Unix seconds.
  /// - Throws: `config.invalid` when the secret is too short.
  package init(projectURL: String, secret: String, now: @escaping @Sendable () -> Int = unixNow) throws(SimplonError) {
    self.issuer = Issuer.url(ofProject: projectURL)
    self.secret = try Issuer.secret(secret, named: "SUPABASE_JWT_SECRET")
    self.now = now
  }

  /// A key for a role without a person, good for ten years: the legacy anon or service key of the project.
  ///
  /// - Parameter role: `anon` or `serviceRole`.
  /// - Returns: the key, a JWT.
  package func key(for role: Principal.Role) -> String { sign(role, subject: nil, lifetime: 315_360_000) }

  /// A token such as the project's sign-in gives.
  ///
  /// - Parameters:
  ///   - sub: the person; an `authenticated` token without one is refused everywhere.
  ///   - role: the PostgreSQL role.
  ///   - ttl: how long it is good, from 1 s to ten years; other values are brought into that range.
  /// - Returns: the token, a JWT.
  package func token(sub: UUID?, role: Principal.Role, ttl: Duration) -> String {
    sign(role, subject: sub, lifetime: Int(min(max(ttl.components.seconds, 1), 315_360_000)))
  }

  private func sign(_ role: Principal.Role, subject: UUID?, lifetime: Int) -> String {
    let now = now()
    var claims: [String: JSON] = [
      "iss": .string(issuer), "role": .string(role.rawValue), "iat": .integer(now), "exp": .integer(now + lifetime),
    ]
    claims["sub"] = subject.map { .string($0.uuidString.lowercased()) }
    claims["aud"] = role == .authenticated ? "authenticated" : nil
    let header: JSON = ["alg": "HS256", "typ": "JWT"]
    let content = Base64URL.encode(header.utf8) + "." + Base64URL.encode(JSON.object(claims).utf8)
    return content + "." + Base64URL.encode(HMAC<SHA256>.authenticationCode(for: Array(content.utf8), using: secret))
  }
}
