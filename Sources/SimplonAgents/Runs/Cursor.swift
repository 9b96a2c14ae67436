import FoundationEssentials
import SimplonCore

/// An opaque place in a list: which list, and the key of the last row given.
///
/// Stable under inserts.
struct Cursor: Hashable, Sendable {
  let list: String
  let key: String

  init(list: String, key: String) {
    self.list = list
    self.key = key
  }

  /// Reads what ``text`` wrote.
  ///
  /// - Throws: `request.cursor`.
  init(_ text: String) throws(SimplonError) {
    guard text.utf8.count <= 256, let data = Data(base64Encoded: text),
      let plain = String(validating: data, as: UTF8.self), let colon = plain.firstIndex(of: ":")
    else { throw Self.foreign }
    list = String(plain[..<colon])
    key = String(plain[plain.index(after: colon)...])
  }

  var text: String { Data("\(list):\(key)".utf8).base64EncodedString() }

  static var foreign: SimplonError {
    SimplonError(
      .requestCursor, "the cursor did not come from this list",
      hint: "Send \"next_cursor\" of the answer before, or none to begin again.")
  }
}
