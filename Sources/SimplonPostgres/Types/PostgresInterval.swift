public import SimplonCore

/// An `interval`, as PostgreSQL keeps it: a month has no fixed number of days, and a day none of hours.
public struct PostgresInterval: Hashable, Sendable {
  /// Whole months; years are twelve of them.
  public var months: Int32
  /// Whole days.
  public var days: Int32
  /// Microseconds; hours and minutes are made of them.
  public var microseconds: Int64

  /// Makes an interval of three parts, each of which may be negative.
  public init(months: Int32 = 0, days: Int32 = 0, microseconds: Int64 = 0) {
    self.months = months
    self.days = days
    self.microseconds = microseconds
  }

  /// The time that it is on every day of the year; nil when it has months or days.
  public var duration: Duration? { months == 0 && days == 0 ? .microseconds(microseconds) : nil }
}

/// The wire form: microseconds, days, months.
///
/// - Source: `interval_send` in PostgreSQL's `timestamp.c`.
extension PostgresInterval: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .interval }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: microseconds)
    bytes.append(bigEndian: days)
    bytes.append(bigEndian: months)
  }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .interval else { throw .decoding(Self.self, from: type) }
    guard bytes.byteCount == 16 else { throw .truncated }
    self.init(
      months: try bytes.integer(at: 12), days: try bytes.integer(at: 8), microseconds: try bytes.integer(at: 0))
  }
}
