import SimplonCore

/// The text as it stands in a URL's query.
///
/// - Source: RFC 3986, section 2.3.
func percentEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  let bytes = text.utf8.flatMap { byte in
    byte.isLetter || byte.isDigit || "-._~".utf8.contains(byte)
      ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
  }
  return String(decoding: bytes, as: UTF8.self)
}
