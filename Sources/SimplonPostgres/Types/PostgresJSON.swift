public import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A `jsonb` as a value of a `Codable` type; no number goes through a `Double` unless the type has one there.
///
/// Integers must be whole and fit; `Decimal` must hold every digit; ``PostgresNumeric`` takes any number.
public struct PostgresJSON<Value: Sendable>: Sendable {
  /// The value.
  public var value: Value

  /// Wraps a value to be bound.
  public init(_ value: Value) { self.value = value }
}

extension PostgresJSON: Equatable where Value: Equatable {}

extension PostgresJSON: PostgresDecodable where Value: Decodable {
  public init(postgres bytes: RawSpan, type: PostgresType) throws(SimplonError) {
    let json = try JSON(postgres: bytes, type: type)
    do {
      value = try JSONValueDecoder(json: json, codingPath: []).decode(Value.self)
    } catch {
      throw SimplonError(.databaseDecoding, "JSON does not fit \(Value.self)", cause: error)
    }
  }
}

extension PostgresJSON: PostgresEncodable where Value: Encodable {
  public static var postgresType: PostgresType { .jsonb }

  public func encode(into bytes: inout [UInt8]) throws(SimplonError) {
    bytes.append(1)
    do {
      // This encoder writes integers and `Decimal` digit by digit.
      bytes.append(contentsOf: try JSONEncoder().encode(value))
    } catch {
      throw SimplonError(.requestInvalid, "\(Value.self) cannot be written as JSON", cause: error)
    }
  }
}
