import Crypto
import SimplonCore

/// What a browser's stream shows in place of a token: a random text, of which only the hash is kept.
package struct Ticket: Sendable {
  /// The text, shown once: `tkt_` and 43 characters.
  package let token: String

  /// Makes a ticket of 256 random bits.
  package init(using generator: inout some RandomNumberGenerator) {
    token = "tkt_" + Secret.random(32, using: &generator)
  }

  /// Takes a ticket as a caller shows it, or nil when it cannot be one.
  package init?(parsing text: String) {
    guard text.hasPrefix("tkt_"), Base64URL.decode(text.utf8.dropFirst(4))?.count == 32 else { return nil }
    token = text
  }

  /// The SHA-256 of the text, 32 bytes: what the database keeps and looks for.
  package var hash: [UInt8] { Array(SHA256.hash(data: Array(token.utf8))) }
}
