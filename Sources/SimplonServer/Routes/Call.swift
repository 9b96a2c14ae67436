import FoundationEssentials
import Hummingbird
import SimplonCore

/// A request whose fields are checked: what a handler works on.
struct Call: Sendable {
  let request: Request
  let context: ServerContext
  /// The fields that are there, each of the kind its declaration says.
  let fields: [String: JSON]

  /// The text of a field.
  func string(_ name: String) -> String? { fields[name]?.string }

  /// The number of a field.
  func integer(_ name: String) -> Int? { fields[name]?.integer }

  /// The truth of a field; false when it is absent.
  func flag(_ name: String) -> Bool { fields[name]?.bool ?? false }

  /// The UUID of a required field.
  ///
  /// - Throws: `request.invalid` when it is absent.
  func uuid(_ name: String) throws(SimplonError) -> UUID {
    guard let id = optionalUUID(name) else { throw SimplonError(.requestInvalid, "\"\(name)\" must be a UUID") }
    return id
  }

  /// The UUID of a field.
  func optionalUUID(_ name: String) -> UUID? { string(name).flatMap { UUID(uuidString: $0) } }
}
