import SimplonCore

/// The pieces of JSON Schema that answers are described with.
///
/// - Source: JSON Schema 2020-12, as OpenAPI 3.1 uses it.
enum Schema {
  /// Any value.
  static let any: JSON = [:]
  static let string: JSON = ["type": "string"]
  static let boolean: JSON = ["type": "boolean"]
  static let integer: JSON = ["type": "integer"]
  static let number: JSON = ["type": "number"]
  static let uuid: JSON = ["type": "string", "format": "uuid"]
  static let time: JSON = ["type": "string", "format": "date-time"]
  /// Raw bytes.
  static let bytes: JSON = ["type": "string", "contentMediaType": "application/octet-stream"]
  static let anyObject: JSON = ["type": "object"]

  /// A schema of the document's components.
  static func reference(_ name: String) -> JSON { ["$ref": .string("#/components/schemas/\(name)")] }

  /// That, or `null`.
  static func optional(_ schema: JSON) -> JSON { ["anyOf": [schema, ["type": "null"]]] }

  /// An array.
  static func array(of schema: JSON) -> JSON { ["type": "array", "items": schema] }

  /// An array of so many items at most, and one at least.
  static func array(upTo maximum: Int, of schema: JSON) -> JSON {
    ["type": "array", "items": schema, "minItems": 1, "maxItems": .integer(maximum)]
  }

  /// One of these words.
  static func words(_ words: [String]) -> JSON { ["type": "string", "enum": .array(words.map(JSON.string))] }

  /// An object of these members: those of `optional` may be absent, others may be there unless it is closed.
  static func object(_ members: [(String, JSON)], optional: Set<String> = [], closed: Bool = false) -> JSON {
    var schema: [String: JSON] = [
      "type": "object",
      "properties": .object(Dictionary(members, uniquingKeysWith: { first, _ in first })),
      "required": .array(members.map(\.0).filter { !optional.contains($0) }.map(JSON.string)),
    ]
    if closed { schema["additionalProperties"] = false }
    return .object(schema)
  }

  /// A list with the cursor of the next page.
  static func page(_ name: String, of schema: JSON) -> JSON {
    object([(name, array(of: schema)), ("next_cursor", optional(string))])
  }
}
