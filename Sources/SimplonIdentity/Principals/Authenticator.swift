import Crypto
import JWTKit
package import SimplonCore

/// Tells who is asking, from the two headers that say so.
package struct Authenticator: Sendable {
  private let issuers: [String: Issuer]
  private let keys: APIKeys
  private let cache: PrincipalCache
  private let now: @Sendable () -> Int

  /// Trusts these issuers and keys, and nobody else.
  ///
  /// - Parameters:
  ///   - issuers: whose tokens are good, the project's own and the foreign ones.
  ///   - keys: the project's opaque keys.
  ///   - now: Unix seconds.
  /// - Throws: `config.invalid` when two issuers share a name or a secret: one could then sign for the other.
  package init(
    issuers: [Issuer], keys: APIKeys, now: @escaping @Sendable () -> Int = unixNow
  ) throws(SimplonError) {
    var byName = [String: Issuer]()
    for issuer in issuers {
      for name in Set([issuer.url] + issuer.aliases) {
        guard byName.updateValue(issuer, forKey: name) == nil else {
          throw SimplonError(.configInvalid, "two trusted issuers are named \"\(name)\"; see SIMPLON_ISSUERS")
        }
      }
    }
    let secrets = issuers.compactMap(\.secret)
    guard !secrets.indices.contains(where: { secrets[..<$0].contains(secrets[$0]) }) else {
      throw SimplonError(.configInvalid, "two trusted issuers have the same secret; see SIMPLON_ISSUERS")
    }
    self.issuers = byName
    self.keys = keys
    self.cache = PrincipalCache()
    self.now = now
  }

  /// Who is asking.
  ///
  /// `Authorization: Bearer` holds a JWT or one of the project's keys and beats `apikey`, which holds a key alone: a
  /// person's JWT is refused there. A verified JWT is believed for a minute at most before it is verified again.
  ///
  /// - Parameters:
  ///   - authorization: the header's value, or nil without one.
  ///   - apikey: the header's value, or nil without one.
  /// - Returns: the principal.
  /// - Throws: `auth.missing` with neither, `auth.expired` outside a token's time, `auth.issuer_unreachable` while an
  ///   issuer's keys cannot be had, else `auth.invalid`. What came as `Authorization` is refused even when `apikey` is good.
  package func principal(authorization: String?, apikey: String?) async throws(SimplonError) -> Principal {
    if let authorization {
      // By bytes: a token is long, and telling its characters apart costs more than its signature.
      let parts = authorization.utf8.split(separator: UInt8(ascii: " ")).map(Substring.init)
      guard parts.count == 2, parts[0].lowercased() == "bearer" else {
        throw .invalidToken("the Authorization header must be \"Bearer\" and a token")
      }
      return try await principal(String(parts[1]))
    }
    guard let apikey else {
      throw SimplonError(
        .authMissing, "the request carries no token", hint: "send \"Authorization: Bearer\" with a token")
    }
    let principal = try await principal(apikey)
    guard principal.source == .key else {
      throw .invalidToken("a person's token is no API key", hint: "send it as \"Authorization: Bearer\"")
    }
    return principal
  }

  /// What a JWT says of its origin, and whether that holds here; its time, audience and role are not looked at.
  ///
  /// - Throws: `auth.invalid` for what is no JWT; `auth.issuer_unreachable` while its issuer's keys cannot be had.
  package func origin(of text: String) async throws(SimplonError) -> TokenOrigin {
    let token = try SignedToken(parsing: text)
    var isTrusted = false
    if let issuer = token.claims["iss"]?.string.flatMap({ issuers[$0] }) {
      isTrusted = try await isSigned(token, by: issuer)
    }
    return TokenOrigin(
      issuer: token.claims["iss"]?.string, project: token.claims["ref"]?.string, isTrusted: isTrusted)
  }

  private func principal(_ text: String) async throws(SimplonError) -> Principal {
    let hash = SHA256.hash(data: Array(text.utf8))
    if APIKeys.isOpaque(text) { return try keys.principal(hash) }
    if let known = cache[hash, now: now()] { return known }
    let token = try SignedToken(parsing: text)
    guard let issuer = token.claims["iss"]?.string.flatMap({ issuers[$0] }) else {
      throw .invalidToken("the token's issuer is not trusted here", hint: "trusted issuers are set in SIMPLON_ISSUERS")
    }
    guard try await isSigned(token, by: issuer) else {
      throw .invalidToken("the token was not signed by a key of its issuer")
    }
    let principal = try token.principal(of: issuer, now: now())
    cache.insert(principal, for: hash, now: now())
    return principal
  }

  /// Whether the signature is the issuer's.
  ///
  /// The kind of key goes with the algorithm, so a token cannot choose how a key is used.
  private func isSigned(_ token: SignedToken, by issuer: Issuer) async throws(SimplonError) -> Bool {
    if token.algorithm == .hs256 {
      guard let secret = issuer.secret else { return false }
      return HMAC<SHA256>.isValidAuthenticationCode(token.signature, authenticating: token.content, using: secret)
    }
    let verifier: (any JWTAlgorithm)? =
      switch issuer.keys {
      case .fixed(let keys): keys.verifier(token.keyID, token.algorithm)
      case .remote(let keys): try await keys.verifier(token.keyID, token.algorithm)
      case nil: nil
      }
    return (try? verifier?.verify(token.signature, signs: token.content)) ?? false
  }
}

extension Authenticator: CustomStringConvertible {
  /// Its name alone: whatever holds it may be logged, and its keys never are.
  package var description: String { "Authenticator" }
}
