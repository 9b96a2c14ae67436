extension JSON {
  /// Reads one JSON value.
  ///
  /// Stricter than RFC 8259 where PostgreSQL's `jsonb` is: U+0000 and lone surrogates are refused. A member that
  /// stands twice is refused too, as two readers could take different ones; so are two whose names Unicode holds to be
  /// the same (é as one code point or as two).
  ///
  /// - Parameters:
  ///   - bytes: UTF-8.
  ///   - depth: how deep arrays and objects may nest.
  ///   - replacing: takes U+0000 and lone surrogates all the same, as U+FFFD.
  /// - Throws: `request.invalid` with the byte's offset in `details.offset`.
  /// - Source: RFC 8259; PostgreSQL manual, "JSON Types".
  public init(
    parsing bytes: some Sequence<UInt8>, depth: Int = 128, replacing: Bool = false
  ) throws(SimplonError) {
    let copy = Array(bytes)
    var parser = JSONParser(bytes: copy, depth: depth, replaces: replacing)
    self = try parser.document()
  }

  /// Reads one JSON value from text.
  public init(parsing text: String, depth: Int = 128, replacing: Bool = false) throws(SimplonError) {
    try self.init(parsing: text.utf8, depth: depth, replacing: replacing)
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  let depth: Int
  let replaces: Bool
  /// Digits for which exponents may stand in a short document; in a long one it is four times its length more.
  static let allowance = 1 << 20

  var at = 0
  var level = 0
  /// Digits for which exponents stand so far: a text of 4 MiB could become half a gigabyte in the database.
  var expanded = 0

  init(bytes: [UInt8], depth: Int, replaces: Bool) {
    self.bytes = bytes
    self.depth = depth
    self.replaces = replaces
  }

  mutating func document() throws(SimplonError) -> JSON {
    let value = try value()
    skipSpace()
    guard at == bytes.count else { throw wrong("there is text after the value") }
    return value
  }

  private mutating func value() throws(SimplonError) -> JSON {
    skipSpace()
    guard at < bytes.count else { throw wrong("it ends too early") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func object() throws(SimplonError) -> JSON {
    try enter()
    var members = [String: JSON]()
    skipSpace()
    if take(UInt8(ascii: "}")) { level -= 1; return .object(members) }
    while true {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw wrong("a member's name is expected") }
      let name = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw wrong("a colon is expected") }
      let member = try value()
      guard members.updateValue(member, forKey: name) == nil else {
        throw wrong("member \"\(name.prefix(64))\" stands twice")
      }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "}")) else { throw wrong("a comma or a brace is expected") }
      level -= 1
      return .object(members)
    }
  }

  private mutating func array() throws(SimplonError) -> JSON {
    try enter()
    var items = [JSON]()
    skipSpace()
    if take(UInt8(ascii: "]")) { level -= 1; return .array(items) }
    while true {
      items.append(try value())
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "]")) else { throw wrong("a comma or a bracket is expected") }
      level -= 1
      return .array(items)
    }
  }

  private mutating func enter() throws(SimplonError) {
    level += 1
    guard level <= depth else { throw wrong("it nests deeper than \(depth) levels") }
    at += 1
  }

  private mutating func word(_ text: String, _ value: JSON) throws(SimplonError) -> JSON {
    guard bytes[at...].starts(with: text.utf8) else { throw wrong("a value is expected") }
    at += text.utf8.count
    return value
  }

  /// PostgreSQL writes a number back without its exponent, so the digits that this stands for count too: what was stored
  /// can be read again.
  private mutating func number() throws(SimplonError) -> JSON {
    let start = at
    var shift = 0
    _ = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "0")) {
    } else {
      guard digits() > 0 else { throw wrong("a value is expected") }
    }
    if take(UInt8(ascii: ".")) { guard digits() > 0 else { throw wrong("a digit is expected") } }
    let mantissa = at - start
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      let first = at
      guard digits() > 0 else { throw wrong("a digit is expected") }
      // "0." may come before the digits.
      shift = 2 + min(Int(String(decoding: bytes[first..<at], as: UTF8.self)) ?? 1000, 1000)
      expanded += shift
      guard expanded <= 4 * bytes.count + Self.allowance else {
        throw wrong("the digits for which its exponents stand are too many")
      }
    }
    guard at - start <= 1000, mantissa + shift <= 1000 else { throw wrong("a number has more than 1000 digits") }
    return .number(String(decoding: bytes[start..<at], as: UTF8.self))
  }

  private mutating func digits() -> Int {
    let start = at
    while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
    return at - start
  }

  private mutating func string() throws(SimplonError) -> String {
    at += 1
    let start = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 {
      at += 1
    }
    if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
      at += 1
      return try text(bytes[start..<(at - 1)])
    }
    var out = Array(bytes[start..<at])
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(out[...])
      case UInt8(ascii: "\\"): out.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20: throw wrong("a control character must be escaped")
      default: out.append(byte)
      }
    }
    throw wrong("a string does not end")
  }

  private func text(_ slice: ArraySlice<UInt8>) throws(SimplonError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw wrong("it is not UTF-8") }
    return text
  }

  private mutating func escape() throws(SimplonError) -> Unicode.Scalar {
    guard at < bytes.count else { throw wrong("a string does not end") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try hex()
      if (0xD800..<0xDC00).contains(high) {
        let next = at
        if take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
          let low = try hex()
          if (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
          {
            return scalar
          }
        }
        at = next
      }
      guard let scalar = Unicode.Scalar(high) else { return try replacement("a lone surrogate") }
      return high == 0 ? try replacement("U+0000 cannot be stored in PostgreSQL") : scalar
    default: throw wrong("an unknown escape")
    }
  }

  private func replacement(_ what: String) throws(SimplonError) -> Unicode.Scalar {
    guard replaces else { throw wrong(what) }
    return "\u{FFFD}"
  }

  private mutating func hex() throws(SimplonError) -> UInt32 {
    guard at + 4 <= bytes.count else { throw wrong("a string does not end") }
    var value: UInt32 = 0
    for byte in bytes[at..<(at + 4)] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw wrong("four hex digits are expected")
      }
      value = value << 4 | UInt32(digit)
    }
    at += 4
    return value
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
  }

  private func wrong(_ what: String) -> SimplonError {
    SimplonError(.requestInvalid, "not JSON: \(what) (byte \(at))", details: ["offset": .integer(at)])
  }
}
