package import SimplonCore

/// A vendor's API key; it shows itself to nobody, neither when it is printed nor when a vendor repeats it.
package struct ModelKey: Sendable, Hashable, CustomStringConvertible {
  /// The key as it goes into a header.
  let text: String

  /// Takes a key.
  ///
  /// - Throws: `config.invalid` when no header could carry it.
  package init(_ text: String) throws(SimplonError) {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw SimplonError(
        .configInvalid, "the model's key is empty, or holds a space, a line break or another character that none has")
    }
    self.text = text
  }

  package var description: String { "…" }

  /// Somebody else's words without the key; one of less than 8 bytes stays, as it may be any word.
  func hidden(in words: String) -> String {
    text.utf8.count < 8 ? words : words.replacing(text, with: "…")
  }
}

extension ModelKey? {
  /// The header that carries the key; none without one.
  var bearer: [(name: String, value: String)] {
    map { [(name: "Authorization", value: "Bearer \($0.text)")] } ?? []
  }
}
