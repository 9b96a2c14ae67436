public import SimplonCore

/// A `jsonb` (or `json`) handed through as text, unparsed, both ways.
public struct PostgresJSONText: Hashable, Sendable {
  /// The JSON text.
  public var text: String

  /// Takes JSON text as it is; the server refuses what is not JSON.
  public init(_ text: String) { self.text = text }
}

/// The wire form of `jsonb`: a version byte, 1, then the text.
///
/// - Source: `jsonb_send` in PostgreSQL's `jsonb.c`.
extension PostgresJSONText: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .jsonb }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(1)
    bytes.append(contentsOf: text.utf8)
  }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    switch type {
    case .jsonb:
      guard try bytes.integer(UInt8.self) == 1 else { throw .decoding(Self.self, from: type) }
      text = try bytes.extracting(droppingFirst: 1).utf8()
    case .json, .text: text = try bytes.utf8()
    default: throw .decoding(Self.self, from: type)
    }
  }
}

/// `jsonb`, parsed; numbers keep their text.
extension JSON: PostgresEncodable, PostgresDecodable {
  public static var postgresType: PostgresType { .jsonb }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(1)
    write(to: &bytes)
  }

  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    let text = try PostgresJSONText(postgres: bytes, type: type).text
    do throws(SimplonError) {
      try self.init(parsing: text)
    } catch {
      throw SimplonError(.databaseDecoding, "a column holds JSON that cannot be read", cause: error)
    }
  }
}
