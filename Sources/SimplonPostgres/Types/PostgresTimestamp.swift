public import SimplonCore

/// A moment to the microsecond, as `timestamptz` holds it; also reads `timestamp` and `date`, taken as UTC.
public struct PostgresTimestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Microseconds since 2000-01-01T00:00:00Z, PostgreSQL's own count, which holds its whole range.
  public var microsecondsSince2000: Int64

  /// Microseconds since 1970-01-01T00:00:00Z; the last thirty of PostgreSQL's 294,276 years become the largest number.
  public var microsecondsSince1970: Int64 {
    let (sum, isOutside) = microsecondsSince2000.addingReportingOverflow(Self.between)
    return isOutside ? .max : sum
  }

  /// Makes a moment from microseconds since 2000-01-01T00:00:00Z.
  public init(microsecondsSince2000: Int64) { self.microsecondsSince2000 = microsecondsSince2000 }

  /// Makes a moment from microseconds since 1970-01-01T00:00:00Z; what is too early becomes ``minusInfinity``.
  public init(microsecondsSince1970: Int64) {
    let (difference, isOutside) = microsecondsSince1970.subtractingReportingOverflow(Self.between)
    microsecondsSince2000 = isOutside ? .min : difference
  }

  /// From 1970 to 2000.
  private static let between: Int64 = 946_684_800_000_000

  /// `infinity`: after every moment.
  public static let infinity = PostgresTimestamp(microsecondsSince2000: .max)
  /// `-infinity`: before every moment.
  public static let minusInfinity = PostgresTimestamp(microsecondsSince2000: .min)

  /// Earlier moments are less.
  public static func < (one: PostgresTimestamp, other: PostgresTimestamp) -> Bool {
    one.microsecondsSince2000 < other.microsecondsSince2000
  }

  /// ISO 8601 in UTC with six decimals, such as `2026-11-20T23:16:00.123456Z`.
  public var description: String {
    if self == .infinity { return "infinity" }
    if self == .minusInfinity { return "-infinity" }
    let (days, rest) = Self.floored(microsecondsSince2000, by: 86_400_000_000)
    return "\(Self.date(of: days))T\(Self.time(of: rest))Z"
  }

  /// Days since 2000-01-01 as `2026-11-20`.
  static func date(of days: Int64) -> String {
    let (year, month, day) = civil(days: days)
    return "\(year < 0 ? "-" : "")\(padded(abs(year), 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  /// Microseconds since midnight as `23:16:00.123456`.
  static func time(of microseconds: Int64) -> String {
    let second = microseconds / 1_000_000
    let time = [second / 3600, second / 60 % 60, second % 60].map { padded($0, 2) }.joined(separator: ":")
    return "\(time).\(padded(microseconds % 1_000_000, 6))"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func floored(_ value: Int64, by size: Int64) -> (quotient: Int64, rest: Int64) {
    let (quotient, rest) = value.quotientAndRemainder(dividingBy: size)
    return rest < 0 ? (quotient - 1, rest + size) : (quotient, rest)
  }

  /// The date of a day since 2000-01-01 in the Gregorian calendar, year 0 included.
  ///
  /// - Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
  private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, day) = floored(days + 730_425, by: 146_097)
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let ofYear = day - (365 * year + year / 4 - year / 100)
    let month = (5 * ofYear + 2) / 153
    let isNextYear = month >= 10
    return (
      year + era * 400 + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3, ofYear - (153 * month + 2) / 5 + 1
    )
  }
}

/// The wire form: microseconds (or, for `date`, days) since 2000-01-01.
///
/// - Source: PostgreSQL's `datatype/timestamp.h`.
extension PostgresTimestamp: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .timestamptz }

  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: microsecondsSince2000) }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    switch type {
    case .timestamptz, .timestamp: microsecondsSince2000 = try bytes.only(Int64.self)
    case .date:
      switch try bytes.only(Int32.self) {
      case .max: self = .infinity
      case .min: self = .minusInfinity
      case let days:
        let (product, isOutside) = Int64(days).multipliedReportingOverflow(by: 86_400_000_000)
        guard !isOutside else {
          throw SimplonError(.databaseDecoding, "a date is after the last year of PostgreSQL's timestamps")
        }
        microsecondsSince2000 = product
      }
    default: throw .decoding(Self.self, from: type)
    }
  }
}
