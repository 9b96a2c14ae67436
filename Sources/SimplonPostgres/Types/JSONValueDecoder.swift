import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Gives a `Decodable` what a ``JSON`` value holds, numbers from their text.
struct JSONValueDecoder: Decoder, SingleValueDecodingContainer {
  let json: JSON
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let members) = json else { throw mismatch([String: JSON].self) }
    return KeyedDecodingContainer(Members<Key>(members: members, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let items) = json else { throw mismatch([JSON].self) }
    return Items(items: items, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  func decodeNil() -> Bool { json.isNull }

  func decode(_ type: Bool.Type) throws -> Bool { try json.bool ?? fail(type) }
  func decode(_ type: String.Type) throws -> String { try json.string ?? fail(type) }
  func decode(_ type: Double.Type) throws -> Double { try number(Double.init) }
  func decode(_ type: Float.Type) throws -> Float { try number(Float.init) }
  func decode(_ type: Int.Type) throws -> Int { try number { Int($0) } }
  func decode(_ type: Int8.Type) throws -> Int8 { try number { Int8($0) } }
  func decode(_ type: Int16.Type) throws -> Int16 { try number { Int16($0) } }
  func decode(_ type: Int32.Type) throws -> Int32 { try number { Int32($0) } }
  func decode(_ type: Int64.Type) throws -> Int64 { try number { Int64($0) } }
  func decode(_ type: UInt.Type) throws -> UInt { try number { UInt($0) } }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try number { UInt8($0) } }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try number { UInt16($0) } }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try number { UInt32($0) } }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try number { UInt64($0) } }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    switch type {
    case is JSON.Type: try json as? Value ?? fail(type)
    case is PostgresNumeric.Type: try number(PostgresNumeric.init(_:)) as? Value ?? fail(type)
    case is Decimal.Type: try number(Self.exactDecimal) as? Value ?? fail(type)
    case is UUID.Type: try json.string.flatMap(UUID.init(uuidString:)) as? Value ?? fail(type)
    default: try Value(from: self)
    }
  }

  private func number<Value>(_ parse: (String) -> Value?) throws -> Value {
    guard case .number(let text) = json else { throw mismatch(Value.self) }
    return try parse(text) ?? fail(Value.self)
  }

  /// The decimal, unless it has more digits than the type holds.
  private static func exactDecimal(_ text: String) -> Decimal? {
    let digits = text.prefix { $0 != "e" && $0 != "E" }.filter(\.isNumber).drop { $0 == "0" }
    return digits.count <= 38 ? Decimal(string: text) : nil
  }

  private func fail<Value>(_ type: Value.Type) throws -> Value { throw mismatch(type) }

  private func mismatch(_ type: Any.Type) -> DecodingError {
    .typeMismatch(type, .init(codingPath: codingPath, debugDescription: "the JSON here is something else"))
  }
}

private struct Members<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let members: [String: JSON]
  let codingPath: [any CodingKey]

  var allKeys: [Key] { members.keys.compactMap(Key.init(stringValue:)) }
  func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try decoder(key).decode(type) }
  func superDecoder() -> any Decoder { JSONValueDecoder(json: .object(members), codingPath: codingPath) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  {
    try decoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  private func decoder(_ key: Key) throws -> JSONValueDecoder {
    guard let member = members[key.stringValue] else {
      throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "no such member"))
    }
    return JSONValueDecoder(json: member, codingPath: codingPath + [key])
  }
}

private struct Items: UnkeyedDecodingContainer {
  let items: [JSON]
  let codingPath: [any CodingKey]
  var currentIndex = 0

  var count: Int? { items.count }
  var isAtEnd: Bool { currentIndex >= items.count }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, items[currentIndex].isNull else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next().decode(type) }
  mutating func superDecoder() throws -> any Decoder { try next() }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
  mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    try next().container(keyedBy: type)
  }

  private mutating func next() throws -> JSONValueDecoder {
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        JSON.self, .init(codingPath: codingPath, debugDescription: "the array has no more items"))
    }
    defer { currentIndex += 1 }
    return JSONValueDecoder(json: items[currentIndex], codingPath: codingPath)
  }
}
