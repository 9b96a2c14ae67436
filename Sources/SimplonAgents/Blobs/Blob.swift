import SimplonCore

/// What names a stored file: its content's hash, and how long it is.
package struct Blob: Hashable, Sendable {
  /// SHA-256 of the content, 64 lowercase hex digits.
  package let sha256: String
  /// Bytes.
  package let size: Int

  /// Makes a name from its parts.
  package init(sha256: String, size: Int) {
    self.sha256 = sha256
    self.size = size
  }

  /// Whether a text is a hash as we write them; nothing else ever becomes part of a path.
  static func isHash(_ text: String) -> Bool { text.utf8.count == 64 && text.utf8.allSatisfy(\.isLowercaseHexDigit) }
}
