import FoundationEssentials
package import SimplonCore

/// One field of a request: what is read, and what the OpenAPI document says of it, from one declaration.
package struct Field: Sendable {
  /// What values a field takes.
  package enum Kind: Sendable {
    /// Text of at most so many bytes; what may not be empty has 1 at least.
    case text(minimum: Int = 0, maximum: Int)
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
    /// An object of so many bytes of JSON at most, described by a schema of that name where there is one.
    case object(schema: String? = nil, maximum: Int? = nil)
  }

  /// What it is called in a body, a query, a path or among the headers.
  package let name: String
  /// What values it takes.
  package let kind: Kind
  /// Whether a request without it is refused.
  package let isRequired: Bool
  /// What it is for.
  package let summary: String

  /// Declares a field.
  package init(name: String, kind: Kind, isRequired: Bool = false, summary: String) {
    self.name = name
    self.kind = kind
    self.isRequired = isRequired
    self.summary = summary
  }

  /// Checks a value; gives it as the database takes it.
  ///
  /// - Throws: `request.invalid` naming the field; `request.too_large`; `request.not_supported` for what comes later.
  func check(_ value: JSON) throws(SimplonError) -> JSON {
    switch (kind, value) {
    case (.text(let minimum, let maximum), .string(let text)):
      guard text.utf8.count >= minimum else { throw wrong("must not be empty") }
      guard text.utf8.count <= maximum else { throw .tooLarge(name, text.utf8.count, limit: maximum) }
      return value
    case (.name, .string(let text)) where AgentWords.isName(text): return value
    case (.uuid, .string(let text)):
      // Foundation reads some that PostgreSQL does not.
      if let id = UUID(uuidString: text) { return .string(id.uuidString.lowercased()) }
    case (.time, .string(let text)) where RFC3339.microseconds(text) != nil: return value
    case (.number(let range), .number(let text)):
      // What is too small for a `double precision` is 0.
      if let number = Double(text), range.contains(number) { return .number("\(abs(number) < 1e-300 ? 0 : number)") }
    case (.integer(let range), .number) where value.integer.map(range.contains) == true: return value
    case (.boolean, .bool), (.any, _): return value
    case (.object(_, let maximum), .object):
      if let maximum, value.utf8.count > maximum { throw .tooLarge(name, value.utf8.count, limit: maximum) }
      return value
    case (.choice(let words, _), .string(let text)) where words.contains(text): return value
    case (.choice(_, let later), .string(let text)) where later.contains(text):
      throw SimplonError(
        .requestNotSupported, "\"\(name)\": \"\(text)\" is not there yet", details: ["field": .string(name)])
    case (.texts, .array(let items)) where items.allSatisfy({ $0.string != nil }): return value
    default: break
    }
    throw wrong("must be \(expectation)")
  }

  /// What the field takes, to follow "must be".
  package var expectation: String {
    switch kind {
    case .text(_, let maximum): "a string of at most \(maximum) bytes"
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

  fileprivate func wrong(_ what: String) -> SimplonError {
    SimplonError(.requestInvalid, "\"\(name)\" \(what)", details: ["field": .string(name)])
  }
}

extension [Field] {
  /// Reads a request's members: each known, of its kind and within its limit, none missing.
  ///
  /// A `null` counts as absent.
  ///
  /// - Returns: the members that are there, as the database takes them.
  /// - Throws: `request.unknown_field`, `request.not_supported`, `request.invalid`, `request.too_large`; each names the
  ///   field.
  package func read(_ members: [String: JSON]) throws(SimplonError) -> [String: JSON] {
    let known = map(\.name)
    let unknown = members.keys.filter { !known.contains($0) }
    guard unknown.isEmpty else { throw .unknownFields(unknown.map { String($0.prefix(64)) }, known: known) }
    var present = [String: JSON]()
    for field in self {
      if let value = members[field.name], !value.isNull {
        present[field.name] = try field.check(value)
      } else if field.isRequired {
        throw field.wrong("is missing; it must be \(field.expectation)")
      }
    }
    return present
  }

  /// Reads a request's body.
  ///
  /// - Throws: `request.invalid` when it is no object; and what reading its members throws.
  func read(_ json: JSON) throws(SimplonError) -> [String: JSON] {
    guard let members = json.object else { throw SimplonError(.requestInvalid, "the request must be an object") }
    return try read(members)
  }
}

extension SimplonError {
  /// The refusal of fields nobody knows.
  package static func unknownFields(_ names: [String], known: [String]) -> SimplonError {
    let names = names.sorted()
    return SimplonError(
      .requestUnknownField,
      "the request has unknown fields: " + names.prefix(5).map { "\"\($0)\"" }.joined(separator: ", "),
      hint: known.isEmpty ? "this path takes no fields" : "known fields: " + known.joined(separator: ", "),
      details: ["fields": .array(names.prefix(20).map(JSON.string))])
  }
}
