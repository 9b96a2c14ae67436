import Crypto
package import Logging
package import SimplonCore

extension Issuer {
  /// Reads `SIMPLON_ISSUERS`: a JSON array with an object per foreign issuer.
  ///
  /// - `issuer`: its URL, what its tokens have as `iss` (needed).
  /// - `aliases`: what they may have instead (array of strings).
  /// - `audience`: what a token must be for (string or array; default `"authenticated"`).
  /// - one or more of `secret` (at least 32 bytes, HS256) and either `jwks` (the keys, as object or text) or `jwks_url`
  ///   (https, or http on localhost), both for RS256 and ES256.
  /// - `shares_people`: whether its `sub` is the same person here (default `false`).
  ///
  /// - Parameters:
  ///   - text: the value; an empty one means no foreign issuer.
  ///   - now: Unix seconds.
  ///   - logger: hears of failed fetches.
  /// - Returns: the issuers in the order of the text.
  /// - Throws: `config.invalid`, naming the field and what it may be.
  package static func list(
    parsing text: String, now: @escaping @Sendable () -> Int = unixNow, logger: Logger
  ) async throws(SimplonError) -> [Issuer] {
    guard !text.allSatisfy(\.isWhitespace) else { return [] }
    let items: [JSON]?
    do { items = try JSON(parsing: text).array } catch {
      throw SimplonError(.configInvalid, "SIMPLON_ISSUERS is \(error.message)")
    }
    guard let items else { throw SimplonError(.configInvalid, "SIMPLON_ISSUERS must be a JSON array of objects") }
    var issuers = [Issuer]()
    for (index, item) in items.enumerated() {
      issuers.append(try await issuer(item, "SIMPLON_ISSUERS[\(index)]", now: now, logger: logger))
    }
    return issuers
  }

  private static func issuer(
    _ json: JSON, _ place: String, now: @escaping @Sendable () -> Int, logger: Logger
  ) async throws(SimplonError) -> Issuer {
    var fields = try Fields(json, place, code: .configInvalid)
    guard let url = try fields.string("issuer"), !url.isEmpty else { throw fields.wrong("issuer", "must be its URL") }
    let aliases = try fields.strings("aliases") ?? []
    let audience = fields.json("audience") ?? "authenticated"
    let audiences = (audience.array ?? [audience]).compactMap(\.string)
    guard !audiences.isEmpty, audiences.count == audience.array?.count ?? 1, !audiences.contains("") else {
      throw fields.wrong("audience", "must be a string or an array of strings, none of them empty")
    }
    let secret = try fields.string("secret")
    let inline = fields.json("jwks")
    let address = try fields.string("jwks_url")
    let sharesPeople = try fields.bool("shares_people") ?? false
    try fields.finish()

    guard secret != nil || inline != nil || address != nil, inline == nil || address == nil else {
      throw SimplonError(.configInvalid, "\(place) must have \"secret\", or one of \"jwks\" and \"jwks_url\"")
    }
    var key: SymmetricKey?
    if let secret { key = try Self.secret(secret, named: "\"secret\" of \(place)") }
    var keys: Keys?
    if let inline { keys = .fixed(try await keySet(inline, "\"jwks\" of \(place)")) }
    if let address {
      keys = .remote(RemoteKeys(url: try keysURL(address, named: "\"jwks_url\" of \(place)"), now: now, logger: logger))
    }
    return Issuer(
      url: url, aliases: aliases, audiences: audiences, sharesPeople: sharesPeople, isOwn: false, secret: key,
      keys: keys)
  }

  private static func keySet(_ json: JSON, _ name: String) async throws(SimplonError) -> KeySet {
    if let set = try? await KeySet(json.string.map { try JSON(parsing: $0) } ?? json), !set.isEmpty { return set }
    throw SimplonError(
      .configInvalid, "\(name) must be a JWKS, as object or text, with an RSA key of 2048 bits or more or a P-256 key")
  }
}
