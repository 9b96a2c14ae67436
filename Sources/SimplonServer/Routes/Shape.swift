import SimplonAgents
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
  /// - Throws: `request.unknown_field`, `request.not_supported`, `request.invalid`, `request.too_large`; each names the
  ///   field.
  func check(_ members: [String: JSON]) throws(SimplonError) -> [String: JSON] {
    if let name = later.first(where: { members[$0] != nil }) {
      throw SimplonError(
        .requestNotSupported, "\"\(name)\" is not there yet", hint: "leave the field out",
        details: ["field": .string(name)])
    }
    return try fields.read(members)
  }
}
