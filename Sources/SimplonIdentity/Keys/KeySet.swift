import JWTKit
import SimplonCore

/// The public keys of an issuer that can verify RS256 or ES256.
struct KeySet: Sendable {
  private struct Key: Sendable {
    let id: String?
    let algorithm: SignedToken.Algorithm
    let verifier: any JWTAlgorithm
  }

  private let keys: [Key]

  /// Whether there is no key at all.
  var isEmpty: Bool { keys.isEmpty }

  /// Takes the usable keys of a JWKS.
  ///
  /// What is not for signatures, of another kind (a symmetric key above all), too small or malformed is left out, so
  /// that one odd key does not take the others with it.
  /// - Throws: `config.invalid` when it is no JWKS.
  /// - Source: RFC 7517 §4, §5; RFC 7518 §6.
  init(_ json: JSON) async throws(SimplonError) {
    guard let items = json["keys"]?.array else {
      throw SimplonError(.configInvalid, "a JWKS must have the array \"keys\"")
    }
    var keys = [Key]()
    for item in items {
      if let key = await Self.key(item) { keys.append(key) }
    }
    self.keys = keys
  }

  /// The key to verify with: the one of that id, or, for a token that names none, the only one there is of its kind.
  func verifier(_ id: String?, _ algorithm: SignedToken.Algorithm) -> (any JWTAlgorithm)? {
    let fitting = keys.filter { $0.algorithm == algorithm && (id == nil || $0.id == id) }
    return id != nil || fitting.count == 1 ? fitting.first?.verifier : nil
  }

  private static func key(_ json: JSON) async -> Key? {
    let use = json["use"]?.string ?? "sig"
    let operations = json["key_ops"]?.array ?? ["verify"]
    guard use == "sig", operations.contains("verify") else { return nil }
    let algorithm: SignedToken.Algorithm
    let jwk: JWK
    switch json["kty"]?.string {
    case "RSA":
      algorithm = .rs256
      jwk = .rsa(.rs256, identifier: "key", modulus: json["n"]?.string, exponent: json["e"]?.string)
    case "EC":
      guard json["crv"] == "P-256" else { return nil }
      algorithm = .es256
      jwk = .ecdsa(.es256, identifier: "key", x: json["x"]?.string, y: json["y"]?.string, curve: .p256)
    default: return nil
    }
    guard (json["alg"]?.string ?? algorithm.rawValue) == algorithm.rawValue else { return nil }
    // A collection per key: it would try its first key for an id that it does not know.
    guard let collection = try? await JWTKeyCollection().add(jwk: jwk),
      let verifier = try? await collection.getKey(for: "key")
    else { return nil }
    return Key(id: json["kid"]?.string, algorithm: algorithm, verifier: verifier)
  }
}
