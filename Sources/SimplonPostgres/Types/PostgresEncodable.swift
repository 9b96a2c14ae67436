public import SimplonCore

/// A value that can be bound to a statement.
///
/// A string-backed enum needs nothing but the conformance; the server takes its text as whatever the statement wants.
public protocol PostgresEncodable: Sendable {
  /// The type that the value is announced as.
  static var postgresType: PostgresType { get }
  /// The type of an array of such values.
  static var postgresArrayType: PostgresType { get }
  /// Whether this is SQL's NULL; then nothing is encoded.
  var isPostgresNull: Bool { get }
  /// Appends the value in PostgreSQL's binary format, or as UTF-8 when its type is unspecified.
  ///
  /// - Throws: `request.invalid` for a value that PostgreSQL cannot hold.
  func encode(into bytes: inout [UInt8]) throws(SimplonError)
  /// Appends an array of such values in binary.
  static func encode(array: [Self], into bytes: inout [UInt8]) throws(SimplonError)
}

extension PostgresEncodable {
  /// Values are not NULL unless they say so.
  public var isPostgresNull: Bool { false }

  /// The built-in array type of ``postgresType``; arrays of arrays have none.
  public static var postgresArrayType: PostgresType { postgresType.array ?? .unspecified }

  /// One dimension that begins at 1.
  ///
  /// - Source: `array_send` in PostgreSQL's `arrayfuncs.c`.
  public static func encode(array: [Self], into bytes: inout [UInt8]) throws(SimplonError) {
    guard let count = Int32(exactly: array.count), postgresArrayType != .unspecified else {
      throw SimplonError(.requestInvalid, "PostgreSQL cannot take an array of \(Self.self)")
    }
    let element = postgresType == .unspecified ? PostgresType.text : postgresType
    bytes.append(bigEndian: Int32(array.isEmpty ? 0 : 1))
    bytes.append(bigEndian: Int32(array.contains(where: \.isPostgresNull) ? 1 : 0))
    bytes.append(bigEndian: element.oid)
    guard !array.isEmpty else { return }
    bytes.append(bigEndian: count)
    bytes.append(bigEndian: Int32(1))
    for item in array {
      let start = bytes.count
      bytes.append(bigEndian: Int32(-1))
      guard !item.isPostgresNull else { continue }
      try item.encode(into: &bytes)
      guard let length = Int32(exactly: bytes.count - start - 4) else {
        throw SimplonError(.requestTooLarge, "an item of an array is longer than 2 GiB")
      }
      withUnsafeBytes(of: length.bigEndian) { bytes.replaceSubrange(start..<(start + 4), with: $0) }
    }
  }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
  public static var postgresType: PostgresType { Wrapped.postgresType }
  public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
  public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
  public func encode(into bytes: inout [UInt8]) throws(SimplonError) { try self?.encode(into: &bytes) }
}

/// Arrays of one dimension; `[UInt8]` is `bytea`.
extension Array: PostgresEncodable where Element: PostgresEncodable {
  public static var postgresType: PostgresType { Element.postgresArrayType }
  public static var postgresArrayType: PostgresType {
    Element.postgresArrayType == .bytea ? PostgresType.bytea.array ?? .unspecified : .unspecified
  }
  public func encode(into bytes: inout [UInt8]) throws(SimplonError) { try Element.encode(array: self, into: &bytes) }
}

extension [UInt8] {
  mutating func append(bigEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}
