import FoundationEssentials
import SimplonAgents
import SimplonCore

/// One field of a request: what the handler may rely on and what the OpenAPI document says, from one declaration.
struct Field: Sendable {
  /// What values a field takes.
  enum Kind: Sendable {
    /// Text of at most so many bytes.
    case text(maximum: Int)
    /// The name of an agent, a task or a type of task.
    case name
    case uuid
    /// A moment, as RFC 3339 writes it.
    case time
    /// A number that may have a fraction.
    case number(ClosedRange<Double>)
    case integer(ClosedRange<Int>)
    case boolean
    /// One of these words; a word of `later` is refused as not there yet.
    case choice([String], later: [String] = [])
    /// An array of strings.
    case texts
    /// Any value; what is no JSON in a query is text.
    case any
    /// An object, described by a schema of that name where there is one.
    case object(schema: String? = nil)
  }

  let name: String
  let kind: Kind
  var isRequired = false
  let summary: String

  /// Checks a value.
  ///
  /// - Throws: `request.invalid` naming the field; `request.too_large`; `request.not_supported` for what comes later.
  func check(_ value: JSON) throws(SimplonError) {
    switch (kind, value) {
    case (.text(let maximum), .string(let text)):
      guard text.utf8.count <= maximum else { throw .tooLarge(name, text.utf8.count, limit: maximum) }
    case (.name, .string(let text)) where AgentWords.isName(text): return
    case (.uuid, .string(let text)) where UUID(uuidString: text) != nil: return
    case (.time, .string(let text)) where RFC3339.microseconds(text) != nil: return
    case (.number(let range), .number(let text)) where Double(text).map(range.contains) == true: return
    case (.integer(let range), .number) where value.integer.map(range.contains) == true: return
    case (.boolean, .bool), (.object, .object), (.any, _): return
    case (.choice(let words, _), .string(let text)) where words.contains(text): return
    case (.choice(_, let later), .string(let text)) where later.contains(text):
      throw SimplonError(
        .requestNotSupported, "\"\(name)\": \"\(text)\" is not there yet", details: ["field": .string(name)])
    case (.texts, .array(let items)) where items.allSatisfy({ $0.string != nil }): return
    default:
      throw SimplonError(.requestInvalid, "\"\(name)\" must be \(expectation)", details: ["field": .string(name)])
    }
  }

  /// Reads the value out of a query, where everything is text; nil when it cannot be of the kind.
  func value(ofQuery text: String) -> JSON? {
    switch kind {
    case .text, .name, .uuid, .time, .choice: .string(text)
    case .integer: Int(text) == nil ? nil : .number(text)
    case .boolean: text == "true" ? true : text == "false" ? false : nil
    case .number, .texts, .object: try? JSON(parsing: text)
    case .any: (try? JSON(parsing: text)) ?? .string(text)
    }
  }

  /// What the field takes, to follow "must be".
  var expectation: String {
    switch kind {
    case .text(let maximum): "a string of at most \(maximum) bytes"
    case .name: "1 to 200 of A-Z a-z 0-9 . _ ~ -, the first a letter or a digit"
    case .uuid: "a UUID"
    case .time: "a time such as 2026-11-20T23:16:00Z"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .boolean: "true or false"
    case .choice(let words, _): words.count == 1 ? "\"\(words[0])\"" : "one of " + words.joined(separator: ", ")
    case .texts: "an array of strings"
    case .any: "a value"
    case .object: "an object"
    }
  }

  /// What it is for, with what no JSON Schema can say: there a length counts characters.
  var description: String {
    if case .text(let maximum) = kind { "\(summary); at most \(maximum) bytes of UTF-8" } else { summary }
  }

  /// The kind in the words of JSON Schema.
  var schema: JSON {
    switch kind {
    case .text(let maximum): ["type": "string", "maxLength": .integer(maximum)]
    case .name: ["type": "string", "pattern": .string(AgentWords.namePattern)]
    case .uuid: ["type": "string", "format": "uuid"]
    case .time: ["type": "string", "format": "date-time"]
    case .number(let range):
      ["type": "number", "minimum": .number("\(range.lowerBound)"), "maximum": .number("\(range.upperBound)")]
    case .integer(let range):
      ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    case .boolean: ["type": "boolean"]
    case .choice(let words, _): ["type": "string", "enum": .array(words.map(JSON.string))]
    case .texts: ["type": "array", "items": ["type": "string"]]
    case .any: Schema.any
    case .object(let name): name.map(Schema.reference) ?? ["type": "object"]
    }
  }
}
