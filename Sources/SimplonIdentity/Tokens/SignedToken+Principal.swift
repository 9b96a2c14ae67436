import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension SignedToken {
  /// How far a clock may be off, in seconds; what PostgREST grants too.
  static let skew = 30

  /// How long the claims may be as text, in bytes.
  static let claimsLimit = 16 << 10

  /// Whom the claims stand for, once the signature is known to be the issuer's.
  ///
  /// The project's own issuer may speak for `anon`, `service_role` and people; a foreign one for people alone, so that
  /// a token of its with any other role, or without one, is refused. A person's token must name an audience of the
  /// issuer and a subject; other tokens lose their subject, as `auth.uid()` must be null under them. The subject is the
  /// person's UUID, or, from an issuer that does not share people, any text, which is mapped (see
  /// ``UUID/init(issuer:subject:)``) and kept as `original_sub`. A shared issuer's subject that is no UUID is refused:
  /// mapping it could split one person in two.
  ///
  /// - Parameters:
  ///   - issuer: whose signature it is.
  ///   - now: Unix seconds.
  /// - Returns: the principal, its issuer the configured URL.
  /// - Throws: `auth.expired` outside the token's time, else `auth.invalid`.
  /// - Source: RFC 7519 §4.1.
  func principal(of issuer: Issuer, now: Int) throws(SimplonError) -> Principal {
    let expiry = try checkTime(now)
    guard let role = claims["role"]?.string.flatMap(Principal.Role.init) else {
      throw .invalidToken("the token's role is none of anon, authenticated, service_role")
    }
    guard issuer.isOwn || role == .authenticated else {
      throw .invalidToken("the token's role is not \"authenticated\", the only one that its issuer may give")
    }
    try checkAudience(issuer, isRequired: role == .authenticated)

    var claims = claims
    var person: UUID?
    if role == .authenticated {
      guard let subject = claims["sub"]?.string, !subject.isEmpty, subject.utf8.count <= 255 else {
        throw .invalidToken("the token has no subject of 1 to 255 bytes")
      }
      if issuer.sharesPeople {
        person = UUID(uuidString: subject)
      } else {
        person = UUID(issuer: issuer.url, subject: subject)
        claims["original_sub"] = .string(subject)
      }
      guard person != nil else { throw .invalidToken("the token's subject is no UUID") }
    }
    let principal = Principal(
      role: role, subject: person, issuer: issuer.url, claims: claims, source: person == nil ? .key : .jwt,
      expiresAt: min(max(expiry, 0), 253_402_300_799))
    guard principal.claimsText.utf8.count <= Self.claimsLimit else {
      throw .invalidToken("the token's claims are longer than 16 KiB")
    }
    return principal
  }

  /// Holds `exp`, `nbf` and `iat` against the clock; gives `exp`.
  private func checkTime(_ now: Int) throws(SimplonError) -> Int {
    guard let expiry = try seconds("exp") else { throw .invalidToken("the token has no \"exp\"") }
    guard expiry > now - Self.skew else {
      throw SimplonError(.authExpired, "the token has expired", hint: "get a new one")
    }
    for name in ["nbf", "iat"] {
      guard let start = try seconds(name), start > now + Self.skew else { continue }
      throw SimplonError(.authExpired, "the token is not valid yet", hint: "compare the clocks of issuer and server")
    }
    return expiry
  }

  private func checkAudience(_ issuer: Issuer, isRequired: Bool) throws(SimplonError) {
    let audiences: [JSON]
    switch claims["aud"] {
    case nil, .null?: audiences = []
    case .array(let items)?: audiences = items
    case let single?: audiences = [single]
    }
    if audiences.isEmpty, !isRequired { return }
    guard audiences.contains(where: { $0.string.map(issuer.audiences.contains) ?? false }) else {
      throw .invalidToken("the token is for another audience")
    }
  }

  /// A point in time in whole seconds, a fraction cut off; nil when the claim is absent.
  private func seconds(_ name: String) throws(SimplonError) -> Int? {
    guard let claim = claims[name], !claim.isNull else { return nil }
    guard case .number(let text) = claim, !text.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }),
      let whole = Int(Substring(text.utf8.prefix { $0 != UInt8(ascii: ".") }))
    else { throw .invalidToken("the token's \"\(name)\" is no time in seconds") }
    return whole
  }
}
