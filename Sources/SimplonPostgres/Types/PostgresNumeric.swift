public import SimplonCore

/// A `numeric`, exactly: the decimal text that PostgreSQL itself would print.
public struct PostgresNumeric: Hashable, Sendable, CustomStringConvertible {
  /// Digits with an optional sign and point, or `NaN`, `Infinity`, `-Infinity`.
  public let text: String

  /// Reads decimal digits with an optional sign and point, no exponent; nil when the text is something else.
  public init?(_ text: String) {
    if !["NaN", "Infinity", "-Infinity"].contains(text) {
      let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
      let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
        parts.contains(where: { !$0.isEmpty }),
        parts[0].utf8.count <= 131_072, parts.count == 1 || parts[1].utf8.count <= 16_383
      else { return nil }
    }
    self.text = text
  }

  /// The text.
  public var description: String { text }
}

/// The wire form: groups of four decimal digits with a weight.
///
/// - Source: `numeric_recv` and `numeric_send` in PostgreSQL's `numeric.c`; limits from the manual, "Numeric Types".
extension PostgresNumeric: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .numeric }

  public func encode(into bytes: inout [UInt8]) {
    if let special = Self.specials.first(where: { $0.value == text })?.key {
      for word in [0, 0, special, 0] { bytes.append(bigEndian: word) }
      return
    }
    let isNegative = text.first == "-"
    let parts = text.drop { $0 == "-" || $0 == "+" }.split(separator: ".", omittingEmptySubsequences: false)
    var whole = parts[0].utf8.map { UInt16($0 - 0x30) }
    var fraction = parts.count > 1 ? parts[1].utf8.map { UInt16($0 - 0x30) } : []
    let scale = UInt16(fraction.count)
    whole.insert(contentsOf: [UInt16](repeating: 0, count: (4 - whole.count % 4) % 4), at: 0)
    fraction.append(contentsOf: [UInt16](repeating: 0, count: (4 - fraction.count % 4) % 4))
    let all = whole + fraction
    var groups = stride(from: 0, to: all.count, by: 4).map { all[$0..<($0 + 4)].reduce(0) { $0 * 10 + $1 } }[...]
    var weight = whole.count / 4 - 1
    while groups.first == 0 {
      groups.removeFirst()
      weight -= 1
    }
    while groups.last == 0 { groups.removeLast() }
    bytes.append(bigEndian: UInt16(groups.count))
    bytes.append(bigEndian: Int16(groups.isEmpty ? 0 : weight))
    bytes.append(bigEndian: isNegative && !groups.isEmpty ? 0x4000 as UInt16 : 0)
    bytes.append(bigEndian: scale)
    for group in groups { bytes.append(bigEndian: group) }
  }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .numeric else { throw .decoding(Self.self, from: type) }
    let count = Int(try bytes.integer(UInt16.self))
    let weight = Int(try bytes.integer(Int16.self, at: 2))
    let sign = try bytes.integer(UInt16.self, at: 4)
    let scale = Int(try bytes.integer(UInt16.self, at: 6))
    if let special = Self.specials[sign] {
      text = special
      return
    }
    guard bytes.byteCount == 8 + 2 * count, sign == 0 || sign == 0x4000 else { throw .truncated }
    func group(_ index: Int) throws(SimplonError) -> String {
      guard (0..<count).contains(index) else { return "0000" }
      let value = try bytes.integer(UInt16.self, at: 8 + 2 * index)
      guard value < 10_000 else { throw .truncated }
      return String(repeating: "0", count: 4 - String(value).count) + String(value)
    }
    var whole = ""
    for index in 0..<max(0, weight + 1) { whole += try group(index) }
    whole = String(whole.drop { $0 == "0" })
    var fraction = ""
    for index in 0..<((scale + 3) / 4) { fraction += try group(weight + 1 + index) }
    text = (sign == 0 ? "" : "-") + (whole.isEmpty ? "0" : whole) + (scale > 0 ? "." + fraction.prefix(scale) : "")
  }

  private static let specials: [UInt16: String] = [0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"]
}
