package import SimplonCore

/// A JSON Schema of a tool's input, in the subset that tools need.
///
/// Read are `type`, `properties`, `required`, `additionalProperties`, `enum`, `items`, `minimum`, `maximum`,
/// `minLength` and `maxLength`; `title`, `description`, `default` and `examples` say nothing about validity.
/// - Source: JSON Schema 2020-12, "Validation"; lengths count Unicode scalars, `1.0` is an integer and equals `1`.
package struct InputSchema: Sendable {
  private let json: JSON

  /// Takes a schema as it stands; ``faults`` tells whether it keeps to the subset.
  package init(_ json: JSON) { self.json = json }

  /// The first thing in the value that does not fit.
  ///
  /// - Parameters:
  ///   - value: the input, or a part of one.
  ///   - skippingExpressions: passes over texts that hold `${{`, whose real value is not known yet.
  /// - Returns: a sentence that names the place and never the value; nil when all fits.
  package func misfit(of value: JSON, skippingExpressions: Bool = false) -> String? {
    Check(skippingExpressions: skippingExpressions).misfit(value, json, "")
  }

  /// What this reader does not know in the schema, each with its place; empty in a sound declaration.
  package var faults: [String] { Self.faults(json, "schema") }

  /// Names of a `required` and values of an `enum`: each value is held against all of them.
  private static let mostWords = 250
  private static let annotations: Set<String> = ["title", "description", "default", "examples"]
  private static let types: Set<String> = ["null", "boolean", "integer", "number", "string", "array", "object"]

  private static func faults(_ schema: JSON, _ place: String) -> [String] {
    guard let members = schema.object else { return ["\(place) is no object"] }
    var found = [String]()
    for (keyword, value) in members.sorted(by: { $0.key < $1.key }) where !annotations.contains(keyword) {
      let here = "\(place).\(keyword)"
      switch keyword {
      case "type":
        let names = value.array?.map(\.string) ?? [value.string]
        if names.isEmpty || names.count > types.count || names.contains(where: { !types.contains($0 ?? "") }) {
          found.append("\(here) is no type")
        }
      case "properties":
        guard let properties = value.object else { found.append("\(here) is no object"); continue }
        for (name, inner) in properties.sorted(by: { $0.key < $1.key }) { found += faults(inner, "\(here).\(name)") }
      case "additionalProperties":
        if value.bool == nil { found += faults(value, here) }
      case "items": found += faults(value, here)
      case "required":
        if value.array?.allSatisfy({ $0.string != nil }) != true { found.append("\(here) is no list of names") }
        if value.array.map({ $0.count > mostWords }) == true {
          found.append("\(here) has more than \(mostWords) names")
        }
      case "enum":
        if value.array?.isEmpty != false { found.append("\(here) is no list of values") }
        if value.array.map({ $0.count > mostWords }) == true {
          found.append("\(here) has more than \(mostWords) values")
        }
      case "minimum", "maximum":
        if ExactNumber(value) == nil { found.append("\(here) is no number") }
      case "minLength", "maxLength":
        if value.integer.map({ $0 >= 0 }) != true { found.append("\(here) is no length") }
      default: found.append("\(here) is not known")
      }
    }
    return found
  }
}

private struct Check {
  let skippingExpressions: Bool

  func misfit(_ value: JSON, _ schema: JSON, _ place: String) -> String? {
    if skippingExpressions, case .string(let text) = value, Template.mark(in: text) { return nil }
    if let types = schema["type"], !has(value, types) { return "\(named(place)) must be \(phrase(types))" }
    if let choices = schema["enum"]?.array, !(skippingExpressions && Template.mark(within: value)),
      !choices.contains(where: { $0.isSame(as: value) })
    {
      return "\(named(place)) must be one of \(choices.map(\.text).joined(separator: ", "))"
    }
    switch value {
    case .number: return range(value, schema, place)
    case .string(let text): return length(text, schema, place)
    case .array(let items):
      guard let inner = schema["items"] else { return nil }
      for (index, item) in items.enumerated() {
        if let found = misfit(item, inner, "\(place)[\(index)]") { return found }
      }
    case .object(let members): return self.members(members, schema, place)
    case .null, .bool: break
    }
    return nil
  }

  private func members(_ members: [String: JSON], _ schema: JSON, _ place: String) -> String? {
    for name in schema["required"]?.array ?? [] {
      if let name = name.string, members[name] == nil { return "\"\(path(place, name))\" is missing" }
    }
    for (name, member) in members.sorted(by: { $0.key < $1.key }) {
      let here = path(place, name)
      if let inner = schema["properties"]?[name] {
        if let found = misfit(member, inner, here) { return found }
      } else if let rest = schema["additionalProperties"] {
        if rest == false { return "\"\(here)\" is not known" }
        if let found = misfit(member, rest, here) { return found }
      }
    }
    return nil
  }

  private func range(_ value: JSON, _ schema: JSON, _ place: String) -> String? {
    guard let number = ExactNumber(value) else { return "\(named(place)) has too large an exponent" }
    if let least = schema["minimum"], let bound = ExactNumber(least), number < bound {
      return "\(named(place)) must be at least \(least.text)"
    }
    if let most = schema["maximum"], let bound = ExactNumber(most), bound < number {
      return "\(named(place)) must be at most \(most.text)"
    }
    return nil
  }

  private func length(_ text: String, _ schema: JSON, _ place: String) -> String? {
    if let least = schema["minLength"]?.integer, text.unicodeScalars.count < least {
      return "\(named(place)) must have at least \(least) characters"
    }
    if let most = schema["maxLength"]?.integer, text.unicodeScalars.count > most {
      return "\(named(place)) must have at most \(most) characters"
    }
    return nil
  }

  private func has(_ value: JSON, _ types: JSON) -> Bool {
    (types.array ?? [types]).contains { type in
      switch (value, type.string) {
      case (.null, "null"), (.bool, "boolean"), (.number, "number"), (.string, "string"), (.array, "array"),
        (.object, "object"):
        true
      case (.number, "integer"): ExactNumber(value)?.isInteger == true
      default: false
      }
    }
  }

  private func phrase(_ types: JSON) -> String {
    (types.array ?? [types]).compactMap(\.string).map { type in
      switch type {
      case "null": "null"
      case "boolean": "true or false"
      case "integer", "array", "object": "an \(type)"
      default: "a \(type)"
      }
    }.joined(separator: " or ")
  }

  private func path(_ place: String, _ name: String) -> String {
    place.isEmpty ? String(name.prefix(64)) : "\(place).\(name.prefix(64))"
  }

  private func named(_ place: String) -> String { place.isEmpty ? "it" : "\"\(place)\"" }
}
