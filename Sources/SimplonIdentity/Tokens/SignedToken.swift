import SimplonCore

/// A JWT taken apart, with nothing in it believed yet.
///
/// Of the header only `alg`, `kid` and `crit` are read: a key, or an address of one, that a token brings along (`jwk`,
/// `jku`, `x5c`, `x5u`) is never looked at.
struct SignedToken: Sendable {
  /// The signature schemes that are accepted anywhere.
  enum Algorithm: String, Sendable {
    case hs256 = "HS256"
    case rs256 = "RS256"
    case es256 = "ES256"
  }

  /// How long a token may be, in bytes.
  static let limit = 16 << 10

  /// What the token says it was signed with.
  let algorithm: Algorithm
  /// Which of its issuer's keys it names.
  let keyID: String?
  /// The payload.
  let claims: [String: JSON]
  /// What was signed: header and payload as they stand in the token.
  let content: [UInt8]
  /// The signature, not empty.
  let signature: [UInt8]

  /// Takes a token in compact form apart.
  ///
  /// - Throws: `auth.invalid`; the message holds nothing of the token.
  /// - Source: RFC 7515 §3.1, §4.1.11; RFC 7519 §7.2; RFC 8725 §3.
  init(parsing text: String) throws(SimplonError) {
    guard text.utf8.count <= Self.limit else { throw .invalidToken("the token is longer than 16 KiB") }
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .invalidToken("the token is no JWT") }
    let header = try Self.object(parts[0])
    guard let name = header["alg"]?.string, let algorithm = Algorithm(rawValue: name) else {
      throw .invalidToken("the token's algorithm is none of HS256, RS256, ES256")
    }
    guard header["crit"] == nil else { throw .invalidToken("the token's header demands extensions, and none is known") }
    let keyID = header["kid"]
    guard keyID == nil || keyID?.string != nil else { throw .invalidToken("the token's \"kid\" is no string") }
    guard let signature = Base64URL.decode(parts[2]), !signature.isEmpty else {
      throw .invalidToken("the token has no readable signature")
    }
    self.algorithm = algorithm
    self.keyID = keyID?.string
    self.claims = try Self.object(parts[1])
    self.content = Array(text.utf8[..<parts[1].endIndex])
    self.signature = signature
  }

  private static func object(_ part: Substring.UTF8View) throws(SimplonError) -> [String: JSON] {
    guard let bytes = Base64URL.decode(part), let members = try? JSON(parsing: bytes, depth: 32).object else {
      throw .invalidToken("the token's header or payload is no JSON object in base64url")
    }
    return members
  }
}

extension SimplonError {
  /// The refusal of a token.
  ///
  /// - Parameters:
  ///   - message: why; nothing of the token.
  ///   - hint: what to do next.
  /// - Returns: an `auth.invalid`.
  static func invalidToken(_ message: String, hint: String? = nil) -> SimplonError {
    SimplonError(.authInvalid, message, hint: hint)
  }
}
