import Crypto
package import Logging
package import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One who may sign tokens, and what its tokens are worth here.
///
/// A token is good where its issuer is configured and nowhere else. The kind of key decides the algorithm: a secret
/// verifies HS256 and nothing more, public keys RS256 and ES256 and nothing more.
package struct Issuer: Sendable {
  /// Where public keys come from.
  enum Keys: Sendable {
    case fixed(KeySet)
    case remote(RemoteKeys)
  }

  /// What tokens have as `iss`, and what people of issuers that do not share people are named after.
  package let url: String
  /// What tokens may have as `iss` instead.
  package let aliases: [String]
  /// Of which a person's token must name one as `aud`.
  package let audiences: [String]
  /// Whether its `sub` is the same person here.
  package let sharesPeople: Bool
  /// Whether it is this project's own: the only one whose tokens may be `anon` or `service_role`.
  package let isOwn: Bool
  let secret: SymmetricKey?
  let keys: Keys?

  /// The project's own issuer, whose people are the people here.
  ///
  /// Keys for RS256 and ES256 are fetched from `/auth/v1/.well-known/jwks.json` of an https project, and of any without a
  /// secret: a project may sign its legacy keys with the secret and its people's tokens with a key. Nothing is fetched
  /// before such a token comes.
  ///
  /// - Parameters:
  ///   - projectURL: `SUPABASE_URL`; the issuer is its `/auth/v1`. `supabase` and `supabase-demo`, which Supabase's legacy
  ///     keys name, are aliases.
  ///   - aliases: further names, such as a public address of the same project.
  ///   - secret: `SUPABASE_JWT_SECRET`, at least 32 bytes, for HS256.
  ///   - now: Unix seconds.
  ///   - logger: hears of failed fetches.
  /// - Returns: the issuer.
  /// - Throws: `config.invalid` when the secret is too short, or keys cannot be fetched from such a URL.
  package static func own(
    projectURL: String, aliases: [String] = [], secret: String?, now: @escaping @Sendable () -> Int = unixNow,
    logger: Logger
  ) throws(SimplonError) -> Issuer {
    let url = url(ofProject: projectURL)
    var key: SymmetricKey?
    if let secret { key = try Self.secret(secret, named: "SUPABASE_JWT_SECRET") }
    var keys: Keys?
    if secret == nil || projectURL.hasPrefix("https://") {
      let address = try keysURL(url + "/.well-known/jwks.json", named: "SUPABASE_URL")
      keys = .remote(RemoteKeys(url: address, now: now, logger: logger))
    }
    return Issuer(
      url: url, aliases: aliases + ["supabase", "supabase-demo"], audiences: ["authenticated"], sharesPeople: true,
      isOwn: true, secret: key, keys: keys)
  }

  /// The issuer of a project.
  static func url(ofProject url: String) -> String {
    String(url.reversed().drop { $0 == "/" }.reversed()) + "/auth/v1"
  }

  /// A secret for HS256.
  ///
  /// - Throws: `config.invalid` when it is shorter than the hash.
  /// - Source: RFC 7518 §3.2.
  static func secret(_ text: String, named name: String) throws(SimplonError) -> SymmetricKey {
    guard text.utf8.count >= 32 else {
      throw SimplonError(
        .configInvalid, "\(name) must be at least 32 bytes", hint: "make one with: openssl rand -base64 48")
    }
    return SymmetricKey(data: Array(text.utf8))
  }

  /// An address that keys may be fetched from.
  ///
  /// - Throws: `config.invalid` unless it is https, or http on this machine.
  static func keysURL(_ text: String, named name: String) throws(SimplonError) -> String {
    let url = URL(string: text)
    let host = url?.host() ?? ""
    let isLocal = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host)
    guard !host.isEmpty, url?.scheme == "https" || url?.scheme == "http" && isLocal else {
      throw SimplonError(
        .configInvalid, "\(name) must be an https URL, or http on localhost, for keys to be fetched from it")
    }
    return text
  }
}

extension Issuer: CustomStringConvertible {
  /// Its URL alone: a secret is never logged.
  package var description: String { "Issuer(\(url))" }
}
