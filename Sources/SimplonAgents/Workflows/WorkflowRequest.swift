package import SimplonCore

/// A workflow as its owner saves it, or what shall change about one.
package struct WorkflowRequest: Sendable {
  /// The members that go to the database as they are.
  let json: JSON
  /// The plan as sent.
  let plan: JSON?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a workflow, which takes a name and a plan.
  /// - Throws: `request.invalid`, also for `inputs` that are no schema; `request.unknown_field`; `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    var reader = try MemberReader(json)
    if isNew { try reader.name("name", isRequired: true) }
    try reader.text("description", upTo: 4096)
    try reader.object("inputs", upTo: 65_536)
    plan = reader.take("plan")
    guard plan != nil || !isNew else {
      throw SimplonError(.requestInvalid, "\"plan\" of the request is missing", details: ["field": "plan"])
    }
    self.json = try reader.finish()
    if let schema = self.json["inputs"] { try Self.check(schema) }
  }

  /// Refuses what is no schema of an object.
  private static func check(_ schema: JSON) throws(SimplonError) {
    func wrong(_ what: String) -> SimplonError {
      SimplonError(
        .requestInvalid, "\"inputs\" must be a JSON Schema of an object: \(what)", details: ["field": "inputs"])
    }
    if let fault = InputSchema(schema).faults.first { throw wrong(fault) }
    if let type = schema["type"], type != "object" { throw wrong("schema.type is not \"object\"") }
  }
}
