import SimplonCore

/// One form that a request can take: its fields, all of them.
struct Shape: Sendable {
  /// The schema's name in the OpenAPI document.
  let name: String
  var fields: [Field] = []
  /// Fields that a later version takes; until then they are refused as `request.not_supported`.
  var later: [String] = []

  /// The field of that name.
  subscript(name: String) -> Field? { fields.first { $0.name == name } }

  /// Checks a request's fields: each known, each of its kind, none missing.
  ///
  /// A `null` counts as absent.
  ///
  /// - Returns: the fields that are there.
  /// - Throws: `request.unknown_field`, `request.not_supported`, `request.invalid`; each names the field.
  func check(_ members: [String: JSON]) throws(SimplonError) -> [String: JSON] {
    var unknown = [String]()
    for name in members.keys where self[name] == nil {
      if later.contains(name) {
        throw SimplonError(
          .requestNotSupported, "\"\(name)\" is not there yet", hint: "leave the field out",
          details: ["field": .string(name)])
      }
      unknown.append(String(name.prefix(64)))
    }
    guard unknown.isEmpty else { throw Self.unknown(unknown, known: fields.map(\.name)) }
    var present = [String: JSON]()
    for field in fields {
      guard let value = members[field.name], !value.isNull else {
        guard !field.isRequired else {
          throw SimplonError(
            .requestInvalid, "\"\(field.name)\" is missing; it must be \(field.expectation)",
            details: ["field": .string(field.name)])
        }
        continue
      }
      try field.check(value)
      present[field.name] = value
    }
    return present
  }

  /// The refusal of fields nobody knows.
  static func unknown(_ names: [String], known: [String]) -> SimplonError {
    let names = names.sorted()
    return SimplonError(
      .requestUnknownField,
      "the request has unknown fields: " + names.prefix(5).map { "\"\($0)\"" }.joined(separator: ", "),
      hint: known.isEmpty ? "this path takes no fields" : "known fields: " + known.joined(separator: ", "),
      details: ["fields": .array(names.prefix(20).map(JSON.string))])
  }
}
