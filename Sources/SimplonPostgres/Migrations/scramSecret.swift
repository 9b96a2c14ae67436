import Crypto
import CryptoExtras
import FoundationEssentials

/// What PostgreSQL keeps of a password, made here so that the password itself is in no statement.
///
/// A password with other characters than ASCII's printable ones is given back as it is: the server normalises it first.
///
/// - Parameters:
///   - password: the password.
///   - salt: 16 random bytes.
///   - iterations: rounds of HMAC; PostgreSQL's own number by default.
/// - Returns: `SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey`.
/// - Throws: when the library has no memory.
/// - Source: RFC 5802, section 3 (its `Hi` is PBKDF2); RFC 7677; PostgreSQL manual, "pg_authid".
func scramSecret(
  _ password: String, salt: [UInt8] = (0..<16).map { _ in UInt8.random(in: 0...255) }, iterations: Int = 4096
) throws -> String {
  guard !password.isEmpty, password.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return password }
  let salted = try KDF.Insecure.PBKDF2.deriveKey(
    from: Array(password.utf8), salt: salt, using: .sha256, outputByteCount: 32, unsafeUncheckedRounds: iterations)
  func key(_ name: String) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: Array(name.utf8), using: salted))
  }
  let storedKey = Array(SHA256.hash(data: key("Client Key")))
  return "SCRAM-SHA-256$\(iterations):\(base64(salt))$\(base64(storedKey)):\(base64(key("Server Key")))"
}

private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
