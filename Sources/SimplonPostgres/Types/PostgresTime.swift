public import SimplonCore

/// A time of day to the microsecond, as `time` holds it; it has no zone.
public struct PostgresTime: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Microseconds since midnight, 0 to 86,400,000,000: `24:00:00` is the day's end.
  public var microseconds: Int64

  /// Makes a time of day; the server refuses one that no day has.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// Earlier times are less.
  public static func < (one: PostgresTime, other: PostgresTime) -> Bool { one.microseconds < other.microseconds }

  /// ISO 8601 with six decimals, such as `23:16:00.123456`.
  public var description: String { PostgresTimestamp.time(of: microseconds) }
}

/// The wire form: microseconds since midnight.
///
/// - Source: `time_send` in PostgreSQL's `date.c`.
extension PostgresTime: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .time }

  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: microseconds) }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .time else { throw .decoding(Self.self, from: type) }
    microseconds = try bytes.only(Int64.self)
  }
}
