import CryptoExtras
import FoundationEssentials
import JWTKit
import SimplonCore

@testable import SimplonIdentity

typealias RSAPrivateKey = JWTKit.Insecure.RSA.PrivateKey

/// Makes tokens of every kind, good and bad, with keys that live as long as the test process.
///
/// What signs is jwt-kit alone.
enum Forge {
  static let ownSecret = "the-secret-of-our-own-project-0123456789"
  static let foreignSecret = "the-secret-of-another-project-0123456789"
  static let rsa = newRSA()
  static let otherRSA = newRSA()
  static let ec = ES256PrivateKey()

  enum Signer: Sendable {
    case secret(String)
    case rsa(RSAPrivateKey)
    case ec(ES256PrivateKey)
    case nothing

    var name: String {
      switch self {
      case .secret: "HS256"
      case .rsa: "RS256"
      case .ec: "ES256"
      case .nothing: "none"
      }
    }

    func sign(_ content: [UInt8]) async throws -> [UInt8] {
      let keys = JWTKeyCollection()
      switch self {
      case .secret(let secret): await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
      case .rsa(let key): await keys.add(rsa: key, digestAlgorithm: .sha256)
      case .ec(let key): await keys.add(ecdsa: key)
      case .nothing: return []
      }
      return try await keys.getKey().sign(content)
    }
  }

  /// A token of these claims; `header` is added to (or stands in place of) `alg`.
  static func token(_ claims: JSON, header: [String: JSON] = [:], by signer: Signer) async throws -> String {
    try await token(text: claims.text, header: header, by: signer)
  }

  /// A token of this payload, whatever it is.
  static func token(text: String, header: [String: JSON] = [:], by signer: Signer) async throws -> String {
    let header = JSON.object(["alg": .string(signer.name)].merging(header) { _, given in given })
    let content = Base64URL.encode(header.utf8) + "." + Base64URL.encode(text.utf8)
    return try await content + "." + Base64URL.encode(signer.sign(Array(content.utf8)))
  }

  private static func newRSA() -> RSAPrivateKey {
    guard let key = try? RSAPrivateKey(backing: _RSA.Signing.PrivateKey(keySize: .bits2048)) else {
      fatalError("no key")
    }
    return key
  }

  /// The public half of an RSA key of 1024 bits as a JWK.
  static func smallJWK(id: String) throws -> JSON {
    let numbers = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1024)).publicKey.getKeyPrimitives()
    return [
      "kty": "RSA", "n": .string(Base64URL.encode(numbers.modulus)),
      "e": .string(Base64URL.encode(numbers.publicExponent)), "kid": .string(id),
    ]
  }

  /// The public half as a JWK.
  static func jwk(_ key: RSAPrivateKey, id: String?) -> JSON {
    guard let numbers = try? key.publicKey.getKeyPrimitives() else { fatalError("a key without numbers") }
    return [
      "kty": "RSA", "n": .string(Base64URL.encode(numbers.modulus)),
      "e": .string(Base64URL.encode(numbers.publicExponent)), "kid": id.map { .string($0) } ?? nil,
    ]
  }

  /// The public half as a JWK.
  static func jwk(_ key: ES256PrivateKey, id: String?) -> JSON {
    guard let point = key.publicKey.parameters, let x = Data(base64Encoded: point.x),
      let y = Data(base64Encoded: point.y)
    else { fatalError("a key without coordinates") }
    return [
      "kty": "EC", "crv": "P-256", "x": .string(Base64URL.encode(x)), "y": .string(Base64URL.encode(y)),
      "alg": "ES256", "use": "sig", "kid": id.map { .string($0) } ?? nil,
    ]
  }
}
