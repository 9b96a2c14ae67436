public import SimplonCore

/// A value that can be read from a column.
///
/// A string-backed enum needs nothing but the conformance.
public protocol PostgresDecodable: Sendable {
  /// Reads a value that is not NULL.
  ///
  /// - Parameters:
  ///   - bytes: the value in PostgreSQL's binary format.
  ///   - type: the column's type.
  /// - Throws: `database.decoding` when the bytes do not hold such a value.
  init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError)

  /// What SQL's NULL becomes.
  ///
  /// - Throws: `database.decoding` unless the type has room for it.
  static func postgresNull() throws(SimplonError) -> Self

  /// Reads an array of such values.
  static func array(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) -> [Self]
}

extension PostgresDecodable {
  /// Most types have no room for NULL.
  public static func postgresNull() throws(SimplonError) -> Self {
    throw SimplonError(.databaseDecoding, "NULL where a \(Self.self) is expected", hint: "Decode \(Self.self)?.self.")
  }

  /// Arrays of one dimension, and empty ones.
  ///
  /// - Source: `array_send` in PostgreSQL's `arrayfuncs.c`.
  public static func array(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) -> [Self] {
    let dimensions = try bytes.integer(Int32.self)
    let element = PostgresType(oid: try bytes.integer(at: 8))
    if dimensions == 0 { return [] }
    guard dimensions == 1 else { throw .decoding([Self].self, from: type) }
    let count = try bytes.integer(Int32.self, at: 12)
    guard count >= 0, Int(count) <= bytes.byteCount / 4 else { throw .truncated }
    var items = [Self]()
    items.reserveCapacity(Int(count))
    var at = 20
    for _ in 0..<count {
      let length = Int(try bytes.integer(Int32.self, at: at))
      at += 4
      if length < 0 {
        items.append(try postgresNull())
      } else {
        guard length <= bytes.byteCount - at else { throw .truncated }
        items.append(try Self(postgres: bytes.extracting(at..<(at + length)), type: element))
        at += length
      }
    }
    return items
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    self = .some(try Wrapped(postgres: bytes, type: type))
  }

  public static func postgresNull() throws(SimplonError) -> Wrapped? { nil }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    self = try Element.array(postgres: bytes, type: type)
  }
}

extension SimplonError {
  static func decoding(_ wanted: Any.Type, from type: PostgresType) -> SimplonError {
    SimplonError(
      .databaseDecoding, "a value of type \(type.oid) cannot be read as \(wanted)",
      hint: "Ask for another Swift type, or cast the column: `::text` suits every type.")
  }
}
