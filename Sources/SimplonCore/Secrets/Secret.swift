/// Makes the random texts that a new project needs; each may stand unquoted in a URI, a DSN and a file's name.
package enum Secret {
  /// A new publishable key: `sb_publishable_` and 256 random bits.
  package static func publishableKey(using generator: inout some RandomNumberGenerator) -> String {
    "sb_publishable_" + random(32, using: &generator)
  }

  /// A new secret key: `sb_secret_` and 256 random bits.
  package static func secretKey(using generator: inout some RandomNumberGenerator) -> String {
    "sb_secret_" + random(32, using: &generator)
  }

  /// A new secret for signing JWTs: 64 characters, 384 random bits.
  package static func jwtSecret(using generator: inout some RandomNumberGenerator) -> String {
    random(48, using: &generator)
  }

  /// A new password for a login: 32 characters, 192 random bits.
  package static func password(using generator: inout some RandomNumberGenerator) -> String {
    random(24, using: &generator)
  }

  /// So many random bytes as base64url.
  package static func random(_ count: Int, using generator: inout some RandomNumberGenerator) -> String {
    Base64URL.encode((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}
