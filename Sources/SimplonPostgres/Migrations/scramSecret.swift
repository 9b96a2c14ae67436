import Crypto
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
/// - Source: RFC 5802, section 3; RFC 7677; PostgreSQL manual, "pg_authid".
func scramSecret(
  _ password: String, salt: [UInt8] = (0..<16).map { _ in UInt8.random(in: 0...255) }, iterations: Int = 4096
) -> String {
  guard password.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return password }
  func hmac(_ message: [UInt8], _ key: [UInt8]) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
  }
  var round = hmac(salt + [0, 0, 0, 1], Array(password.utf8))
  var salted = round
  for _ in 1..<iterations {
    round = hmac(round, Array(password.utf8))
    for index in salted.indices { salted[index] ^= round[index] }
  }
  let storedKey = Array(SHA256.hash(data: hmac(Array("Client Key".utf8), salted)))
  let serverKey = hmac(Array("Server Key".utf8), salted)
  return "SCRAM-SHA-256$\(iterations):\(base64(salt))$\(base64(storedKey)):\(base64(serverKey))"
}

private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
