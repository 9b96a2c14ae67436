import SimplonCore

/// The inputs of a workflow as its plan finds them, with the defaults of what was left out.
///
/// - Throws: `workflow.input`, naming the first that does not fit.
func fillInputs(_ given: JSON, by schema: JSON) throws(SimplonError) -> JSON {
  var members = given.object ?? [:]
  for (name, property) in schema["properties"]?.object ?? [:] where members[name] == nil {
    members[name] = property["default"]
  }
  let inputs = JSON.object(members)
  if let misfit = InputSchema(schema).misfit(of: inputs) {
    throw SimplonError(
      .workflowInput, "the inputs do not fit the workflow: \(misfit)", hint: "Its \"inputs\" say what it takes.")
  }
  return inputs
}
