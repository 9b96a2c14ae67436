public import SimplonCore

extension PostgresDecodable where Self: FixedWidthInteger {
  /// Any of PostgreSQL's integers, when it fits.
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    let value: Int64
    switch type {
    case .int8: value = try bytes.only(Int64.self)
    case .int4: value = Int64(try bytes.only(Int32.self))
    case .int2: value = Int64(try bytes.only(Int16.self))
    case .oid: value = Int64(try bytes.only(UInt32.self))
    default: throw .decoding(Self.self, from: type)
    }
    guard let exact = Self(exactly: value) else {
      throw SimplonError(.databaseDecoding, "an integer does not fit into \(Self.self)")
    }
    self = exact
  }
}

extension PostgresEncodable where Self: FixedWidthInteger {
  /// The integer in network order.
  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: self) }
}

/// `bigint`
extension Int: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .int8 }
  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: Int64(self)) }
}

/// `bigint`
extension Int64: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .int8 }
}

/// `integer`
extension Int32: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .int4 }
}

/// `smallint`
extension Int16: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .int2 }
}

/// `double precision`; `numeric` is not read as one, see ``PostgresNumeric``.
extension Double: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .float8 }
  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: bitPattern) }
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    switch type {
    case .float8: self = Double(bitPattern: try bytes.only(UInt64.self))
    case .float4: self = Double(Float(bitPattern: try bytes.only(UInt32.self)))
    default: throw .decoding(Self.self, from: type)
    }
  }
}

/// `real`
extension Float: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .float4 }
  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: bitPattern) }
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .float4 else { throw .decoding(Self.self, from: type) }
    self = Float(bitPattern: try bytes.only(UInt32.self))
  }
}

/// `boolean`
extension Bool: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .bool }
  public func encode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .bool else { throw .decoding(Self.self, from: type) }
    self = try bytes.only(UInt8.self) != 0
  }
}

/// There for the sake of `[UInt8]`, which is `bytea`; a single one travels as `smallint`.
extension UInt8: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .int2 }
  public static var postgresArrayType: PostgresType { .bytea }
  public func encode(into bytes: inout [UInt8]) { bytes.append(bigEndian: Int16(self)) }
  public static func encode(array: [UInt8], into bytes: inout [UInt8]) { bytes.append(contentsOf: array) }
  public static func array(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) -> [UInt8] {
    guard type == .bytea else { throw .decoding([UInt8].self, from: type) }
    return bytes.withUnsafeBytes { Array($0) }
  }
}
