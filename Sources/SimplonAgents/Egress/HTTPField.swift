import SimplonCore

/// What a field of an HTTP message may be.
///
/// - Source: RFC 9110 §5.5 and §5.6.2.
enum HTTPField {
  /// The methods that tools send, as they are written.
  static let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
  /// Those that ask and change nothing.
  static let safeMethods: Set<String> = ["GET", "HEAD", "OPTIONS"]

  /// Names that are the connection's own affair, in lower case; nobody else sets them.
  static let reserved: Set<String> = [
    "host", "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    // Some servers take these for the method.
    "x-http-method", "x-http-method-override", "x-method-override",
  ]

  /// Whether a text can be a field's name that others may set.
  static func isName(_ text: String) -> Bool {
    let read = asRead(text)
    return !text.isEmpty && text.utf8.count <= 256 && !reserved.contains(read) && !read.hasPrefix("proxy-")
      && text.utf8.allSatisfy { $0.isLetter || $0.isDigit || "!#$%&'*+-.^_`|~".utf8.contains($0) }
  }

  /// A field's name in lower case, its underscores as hyphens: many servers make the same variable of both.
  static func asRead(_ name: String) -> String { name.lowercased().replacing("_", with: "-") }

  /// Whether a text can be a field's value.
  static func isValue(_ text: String) -> Bool {
    text.utf8.count <= 16_384 && text.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
  }
}
