import SimplonCore

/// A decimal number compared exactly as it is written, with no rounding: `1` equals `1.0`, and `0.1` is not what
/// binary floating point makes of it.
struct ExactNumber: Comparable {
  /// True below zero.
  private let isNegative: Bool
  /// The digits after `0.`, with no zero at either end; empty for zero.
  private let digits: [UInt8]
  /// The power of ten by which `0.digits` is multiplied.
  private let exponent: Int

  /// Reads a JSON number; nil for any other value, and for exponents longer than ten characters.
  init?(_ json: JSON) {
    guard case .number(let text) = json else { return nil }
    var rest = text.utf8[...]
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative { rest.removeFirst() }
    let mantissa = rest.prefix { $0 != UInt8(ascii: "e") && $0 != UInt8(ascii: "E") }
    let power = rest.dropFirst(mantissa.count).dropFirst()
    guard power.count <= 10, let shift = power.isEmpty ? 0 : Int(Substring(power)) else { return nil }
    let whole = mantissa.prefix { $0 != UInt8(ascii: ".") }
    var digits = Array(whole) + Array(mantissa.dropFirst(whole.count).dropFirst())
    let leading = digits.prefix { $0 == UInt8(ascii: "0") }.count
    digits.removeFirst(leading)
    while digits.last == UInt8(ascii: "0") { digits.removeLast() }
    self.isNegative = isNegative && !digits.isEmpty
    self.digits = digits
    self.exponent = digits.isEmpty ? 0 : whole.count - leading + shift
  }

  /// Whether nothing stands behind the decimal point.
  var isInteger: Bool { digits.count <= max(exponent, 0) }

  /// The number without an exponent and without needless zeros, such as `1000` or `-0.25`; nil when that is long.
  var plain: String? {
    guard (-40...40).contains(exponent) else { return nil }
    let padded =
      Array(repeating: UInt8(ascii: "0"), count: max(0, 1 - exponent)) + digits
      + Array(repeating: UInt8(ascii: "0"), count: max(0, exponent - digits.count))
    let place = max(exponent, 1)
    let fraction = padded.dropFirst(place)
    let text = String(decoding: padded.prefix(place), as: UTF8.self)
    return (isNegative ? "-" : "") + text + (fraction.isEmpty ? "" : "." + String(decoding: fraction, as: UTF8.self))
  }

  static func < (one: ExactNumber, other: ExactNumber) -> Bool {
    if one.isNegative != other.isNegative { return one.isNegative }
    return one.isNegative ? other.isSmaller(than: one) : one.isSmaller(than: other)
  }

  private func isSmaller(than other: ExactNumber) -> Bool {
    if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
    if exponent != other.exponent { return exponent < other.exponent }
    return digits.lexicographicallyPrecedes(other.digits)
  }
}

extension JSON {
  /// Whether two values mean the same: numbers by value, texts by their code points, the rest member by member.
  func isSame(as other: JSON) -> Bool {
    switch (self, other) {
    case (.number(let one), .number(let two)):
      if one == two { return true }
      guard let one = ExactNumber(self), let two = ExactNumber(other) else { return false }
      return one == two
    case (.string(let one), .string(let two)): return one.utf8.elementsEqual(two.utf8)
    case (.array(let one), .array(let two)):
      return one.count == two.count && zip(one, two).allSatisfy { $0.isSame(as: $1) }
    case (.object(let one), .object(let two)):
      return one.count == two.count && one.allSatisfy { name, value in two[name]?.isSame(as: value) ?? false }
    default: return self == other
    }
  }
}
