/// The text as it stands in a URL's query, or wherever else other bytes may be kept.
///
/// - Parameters:
///   - text: any.
///   - others: the ASCII characters that stay as they are, besides letters and digits.
/// - Returns: the rest of its bytes as `%` and two digits each.
/// - Source: RFC 3986, sections 2.1 and 2.3.
package func percentEncoded(_ text: String, keeping others: String = "-._~") -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  let bytes = text.utf8.flatMap { byte in
    byte.isLetter || byte.isDigit || others.utf8.contains(byte)
      ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
  }
  return String(decoding: bytes, as: UTF8.self)
}
