/// A JSON value whose numbers keep their text, so that none of them ever goes through a `Double`.
///
/// Two numbers are equal when their texts are. Objects have no order; text is written with sorted keys, so equal values
/// have equal text (the idempotency check relies on it).
public enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  /// The number's text exactly as it was read.
  case number(String)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  /// The member of that name, or nil when this is no object or has none.
  public subscript(name: String) -> JSON? {
    if case .object(let members) = self { members[name] } else { nil }
  }

  /// The text, when this is a string.
  public var string: String? { if case .string(let text) = self { text } else { nil } }

  /// The truth value, when this is one.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The number as an integer, when it is one of 64 bits.
  public var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }

  /// The items, when this is an array.
  public var array: [JSON]? { if case .array(let items) = self { items } else { nil } }

  /// The members, when this is an object.
  public var object: [String: JSON]? { if case .object(let members) = self { members } else { nil } }

  /// Whether this is `null`.
  public var isNull: Bool { self == .null }

  /// Makes a number from an integer.
  public static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .number(String(value)) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
  public init(nilLiteral: ()) { self = .null }
}
