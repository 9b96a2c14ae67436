public import SimplonCore

/// A day of the Gregorian calendar, as `date` holds it.
///
/// Bound to a `date` it is that day; a ``PostgresTimestamp`` would be the day that it is in the session's time zone.
public struct PostgresDate: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Days since 2000-01-01, PostgreSQL's own count.
  public var daysSince2000: Int32

  /// Makes a day from days since 2000-01-01.
  public init(daysSince2000: Int32) { self.daysSince2000 = daysSince2000 }

  /// `infinity`: after every day.
  public static let infinity = PostgresDate(daysSince2000: .max)
  /// `-infinity`: before every day.
  public static let minusInfinity = PostgresDate(daysSince2000: .min)

  /// Earlier days are less.
  public static func < (one: PostgresDate, other: PostgresDate) -> Bool { one.daysSince2000 < other.daysSince2000 }

  /// ISO 8601, such as `2026-11-20`.
  public var description: String {
    if self == .infinity { return "infinity" }
    if self == .minusInfinity { return "-infinity" }
    return PostgresTimestamp.date(of: Int64(daysSince2000))
  }
}

/// The wire form: days since 2000-01-01.
///
/// - Source: `date_send` in PostgreSQL's `date.c`.
extension PostgresDate: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .date }

  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: daysSince2000) }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .date else { throw .decoding(Self.self, from: type) }
    daysSince2000 = try bytes.only(Int32.self)
  }
}
