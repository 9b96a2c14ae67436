package import SimplonCore

extension Field {
  /// The name of a workflow.
  package static let workflowName = Field(
    name: "name", kind: .name, isRequired: true, summary: "the workflow's name")
}

/// A workflow as its owner saves it, or what shall change about one.
package struct WorkflowRequest: Sendable {
  /// What it holds.
  ///
  /// - Parameter isNew: whether it makes a workflow, which takes a name and a plan.
  /// - Returns: the fields.
  package static func fields(isNew: Bool) -> [Field] {
    let fields = [
      Field(name: "description", kind: .text(minimum: 1, maximum: 4096), summary: "what it is for"),
      Field(name: "plan", kind: .object(schema: "Plan"), isRequired: isNew, summary: "the steps to run"),
      Field(
        name: "inputs", kind: .object(maximum: 65_536),
        summary: "the JSON Schema of the inputs, an object; at most 64 KiB"),
    ]
    return isNew ? [Field.workflowName] + fields : fields
  }

  /// The members that go to the database as they are.
  let json: JSON
  /// The plan as sent.
  let plan: JSON?

  /// Reads a request body.
  ///
  /// - Parameters:
  ///   - json: the body.
  ///   - isNew: whether it makes a workflow.
  /// - Throws: `request.invalid`, also for `inputs` that are no schema; `request.unknown_field`; `request.too_large`.
  package init(json: JSON, isNew: Bool) throws(SimplonError) {
    var members = try Self.fields(isNew: isNew).read(json)
    plan = members.removeValue(forKey: "plan")
    self.json = .object(members)
    if let schema = members["inputs"] { try Self.check(schema) }
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
