public import SimplonCore

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Text of any kind. Bound values leave their type to the server. What has a textual form is read in it: text, enums,
/// names, `json`, `jsonb`, `xml`, `uuid`, `numeric`, dates, times, timestamps; cast other columns with `::text`.
extension String: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .unspecified }
  public static var postgresArrayType: PostgresType { PostgresType.text.array ?? .unspecified }
  public func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: utf8) }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    switch type {
    case .uuid: self = try UUID(postgres: bytes, type: type).uuidString.lowercased()
    case .numeric: self = try PostgresNumeric(postgres: bytes, type: type).text
    case .timestamptz, .timestamp: self = try PostgresTimestamp(postgres: bytes, type: type).description
    case .date: self = try PostgresDate(postgres: bytes, type: type).description
    case .time: self = try PostgresTime(postgres: bytes, type: type).description
    case .jsonb: self = try PostgresJSONText(postgres: bytes, type: type).text
    default:
      // A built-in type that is not text has its own binary form, which could be UTF-8 by accident. Types of
      // extensions and of users begin at 16384; enums travel as their labels, others as whatever they like.
      guard Self.textTypes.contains(type.oid) || type.oid >= 16_384 else { throw .decoding(String.self, from: type) }
      self = try bytes.utf8()
      guard type.oid < 16_384 || !utf8.contains(where: { $0 < 0x09 }) else { throw .decoding(String.self, from: type) }
    }
  }

  /// `"char"`, `name`, `text`, `json`, `xml`, `unknown`, `bpchar`, `varchar`, `cstring`, `jsonpath` apart (it has a
  /// version byte).
  private static let textTypes: Set<UInt32> = [18, 19, 25, 114, 142, 705, 1042, 1043, 2275]
}

/// String-backed enums, as text or as PostgreSQL's enums.
extension PostgresEncodable where Self: RawRepresentable, RawValue == String {
  /// The server finds the type out by itself.
  public static var postgresType: PostgresType { .unspecified }
  /// Type `text[]`.
  public static var postgresArrayType: PostgresType { String.postgresArrayType }
  /// The raw value.
  public func encode(into bytes: inout [UInt8]) { rawValue.encode(into: &bytes) }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue == String {
  /// Reads the raw value; one that no case has is `database.decoding`.
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard let value = Self(rawValue: try String(postgres: bytes, type: type)) else {
      throw SimplonError(.databaseDecoding, "\(Self.self) has no such case")
    }
    self = value
  }
}

/// Type `uuid`.
extension UUID: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .uuid }
  public func encode(into bytes: inout [UInt8]) { withUnsafeBytes(of: uuid) { bytes.append(contentsOf: $0) } }
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    guard type == .uuid else { throw .decoding(Self.self, from: type) }
    guard bytes.byteCount == 16 else { throw .truncated }
    self.init(uuid: bytes.unsafeLoadUnaligned(as: uuid_t.self))  // sixteen bytes, any of which are valid
  }
}
