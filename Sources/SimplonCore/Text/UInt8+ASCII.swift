extension UInt8 {
  /// Whether it is one of `0` to `9`.
  package var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

  /// Whether it is one of `a` to `z`.
  package var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }

  /// Whether it is one of `a` to `z` or `A` to `Z`.
  package var isLetter: Bool { (self | 0x20).isLowercaseLetter }

  /// Whether it is one of `0` to `9` or `a` to `f`.
  package var isLowercaseHexDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self) }
}

extension Sequence<UInt8> {
  /// The bytes in lowercase hex, two digits each.
  package var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
