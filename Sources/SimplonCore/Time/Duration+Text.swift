extension Duration {
  /// Reads a number with a unit: `250ms`, `30s`, `5m`, `2h`, `7d`.
  ///
  /// Fractions are refused.
  public init?(parsing text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int64(digits), number <= 1_000_000_000 else { return nil }
    switch text.dropFirst(digits.count) {
    case "ms": self = .milliseconds(number)
    case "s": self = .seconds(number)
    case "m": self = .seconds(number * 60)
    case "h": self = .seconds(number * 3600)
    case "d": self = .seconds(number * 86_400)
    default: return nil
    }
  }

  /// The time in the largest unit that shows it whole, as ``init(parsing:)`` reads it.
  public var short: String {
    let all = milliseconds
    if all % 1000 != 0 { return "\(all)ms" }
    let seconds = all / 1000
    if seconds != 0, seconds % 86_400 == 0 { return "\(seconds / 86_400)d" }
    if seconds != 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
    if seconds != 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
    return "\(seconds)s"
  }

  /// Whole milliseconds, a fraction cut off; a time beyond 64 bits is the last one that they hold.
  public var milliseconds: Int64 {
    Int64(clamping: Int128(components.seconds) * 1000 + Int128(components.attoseconds / 1_000_000_000_000_000))
  }

  /// Seconds, with what binary floating point can hold of the fraction.
  public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
