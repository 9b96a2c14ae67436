import Crypto
import FoundationEssentials

/// What tells a receiver that a delivery is ours, and which one.
///
/// - Source: Standard Webhooks 1.0.0, "Signature scheme", with a symmetric key.
enum WebhookSignature {
  private static let prefix = "whsec_"

  /// A new secret of 256 random bits.
  static func newSecret(using generator: inout some RandomNumberGenerator) -> String {
    prefix + Data((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }).base64EncodedString()
  }

  /// The three headers of an attempt.
  ///
  /// - Parameters:
  ///   - id: the delivery's, the same in every attempt.
  ///   - seconds: when the attempt is made, in Unix seconds.
  ///   - body: exactly as it is sent.
  ///   - secret: the webhook's.
  /// - Returns: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
  static func headers(
    id: String, seconds: Int64, body: String, secret: String
  ) -> [(name: String, value: String)] {
    let key = Data(base64Encoded: String(secret.dropFirst(prefix.count))) ?? Data()
    let code = HMAC<SHA256>.authenticationCode(
      for: Array("\(id).\(seconds).\(body)".utf8), using: SymmetricKey(data: key))
    return [
      (name: "webhook-id", value: id), (name: "webhook-timestamp", value: String(seconds)),
      (name: "webhook-signature", value: "v1," + Data(code).base64EncodedString()),
    ]
  }
}
