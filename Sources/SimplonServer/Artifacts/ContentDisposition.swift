import SimplonCore

/// The header that makes a browser store a file instead of showing it.
enum ContentDisposition {
  /// `attachment` with the file's name: as it is in `filename*`, and for old readers in ASCII.
  ///
  /// - Source: RFC 6266, section 4; RFC 8187, section 3.2.
  static func attachment(_ name: String) -> String {
    // By scalars: a slash and a combining mark after it are one character, and no "/".
    let name = name.unicodeScalars.split(separator: "/").last.map { String($0) } ?? "file"
    var plain = ""
    for scalar in name.unicodeScalars.prefix(200) {
      let isPlain = (" "..."~").contains(scalar) && !["\"", "\\", "%", ";"].contains(scalar)
      plain.unicodeScalars.append(isPlain ? scalar : "_")
    }
    guard plain != name else { return "attachment; filename=\"\(plain)\"" }
    let start = name.unicodeScalars.prefix(200).map(String.init).joined()
    let encoded = percentEncoded(start, keeping: "!#$&+-.^_`|~")
    return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
  }
}
