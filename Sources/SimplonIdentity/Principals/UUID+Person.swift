import Crypto

#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

extension UUID {
  /// The person here for a subject of an issuer that does not share people: `uuidv5(uuidv5(URL namespace, issuer),
  /// subject)`.
  ///
  /// It is the same on every server, and no choice of subjects makes two issuers' people meet.
  /// - Parameters:
  ///   - issuer: the issuer's configured URL.
  ///   - subject: the token's `sub`, any text.
  /// - Source: RFC 9562 §5.5 and §6.6.
  package init(issuer: String, subject: String) {
    let urls: [UInt8] = [
      0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
    ]
    let b = Self.version5(Self.version5(urls, issuer), subject)
    self.init(
      uuid: (b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]))
  }

  private static func version5(_ namespace: [UInt8], _ name: String) -> [UInt8] {
    var bytes = Array(Insecure.SHA1.hash(data: namespace + Array(name.utf8)).prefix(16))
    bytes[6] = bytes[6] & 0x0f | 0x50
    bytes[8] = bytes[8] & 0x3f | 0x80
    return bytes
  }
}
