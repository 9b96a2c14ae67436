import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// What a run takes from a saved workflow.
struct SavedWorkflow: Sendable {
  let plan: JSON
  /// The schema of its inputs.
  let inputs: JSON
}

extension RunStore {
  /// The caller's workflow of that name as it is now; nil when there is none.
  func workflow(_ name: String, as caller: Principal) async throws -> SavedWorkflow? {
    let rows = try await client.query(
      "select plan, inputs from workflows where user_id is not distinct from auth.uid() and name = \(name)",
      as: PostgresSession(caller, statementTimeout: statementTimeout))
    guard let row = rows.first else { return nil }
    let (plan, inputs) = try row.decode(JSON.self, JSON.self)
    return SavedWorkflow(plan: plan, inputs: inputs)
  }
}

extension CreateRun {
  /// Puts the workflow's plan in, and the inputs where it finds them: `run.metadata.inputs`.
  ///
  /// - Throws: `workflow.input`; `request.invalid` when the metadata have something of their own there;
  ///   `request.too_large` when they are too much with the inputs and their defaults.
  mutating func take(_ saved: SavedWorkflow) throws(SimplonError) {
    var members = metadata?.object ?? [:]
    guard members["inputs"] == nil else {
      throw SimplonError(
        .requestInvalid, "\"inputs\" within \"metadata\" is the place of the workflow's inputs",
        hint: "Send them as \"inputs\" of the request.", details: ["field": "metadata"])
    }
    members["inputs"] = try fillInputs(inputs ?? [:], by: saved.inputs)
    let filled = JSON.object(members)
    try Self.limit("metadata", filled.utf8.count, to: 65_536)
    metadata = filled
    plan = saved.plan
  }
}

extension SimplonError {
  static func noWorkflow(_ name: String) -> SimplonError {
    SimplonError(
      .workflowNotFound, "there is no workflow \"\(name.prefix(200))\" of yours",
      hint: "GET /api/v1/workflows lists yours.")
  }
}
