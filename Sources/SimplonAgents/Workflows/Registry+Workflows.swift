import SimplonCore
package import SimplonIdentity
import SimplonPostgres

extension Registry {
  /// Saves a workflow of the caller's under a new name; gives it as JSON text.
  ///
  /// - Throws: `plan.*`; `request.exists` when the name is taken; `request.quota`.
  package func save(_ request: WorkflowRequest, as caller: Principal) async throws -> String {
    let body = try stored(request)
    let saving: PostgresQuery = "select simplon.save_workflow(\(body))"
    return try await workflow(body["name"]?.string ?? "", after: saving, as: caller)
  }

  /// Changes a workflow of the caller's; another plan, or other inputs, are a new version.
  ///
  /// - Throws: `plan.*`, `workflow.not_found`.
  package func change(_ name: String, _ request: WorkflowRequest, as caller: Principal) async throws -> String {
    let body = try stored(request)
    let changing: PostgresQuery = "select simplon.change_workflow(\(name), \(body))"
    return try await workflow(name, after: changing, as: caller)
  }

  /// Deletes a workflow of the caller's; the runs made from it stay.
  ///
  /// - Throws: `workflow.not_found`.
  package func deleteWorkflow(_ name: String, as caller: Principal) async throws {
    try await database.rows("select simplon.delete_workflow(\(name))", as: caller)
  }

  /// One workflow of the caller's, as it is or as a version of it was.
  ///
  /// - Throws: `workflow.not_found`.
  package func workflow(_ name: String, version: Int?, as caller: Principal) async throws -> String {
    try await workflow(name, version: version, after: nil, as: caller)
  }

  /// The caller's workflows, the last one first, as `{"workflows": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func workflows(_ query: ListQuery, as caller: Principal) async throws -> String {
    let before = try query.id(of: "workflows")
    let page: PostgresQuery = """
      select row_number() over (order by w.id desc) as place, w.id::text as key,
        json_build_object('name', w.name, 'description', w.description, 'version', w.version, 'inputs', w.inputs,
          'created_at', w.created_at, 'updated_at', w.updated_at)::text as json
      from workflows w where w.id < \(before) and w.user_id is not distinct from auth.uid()
      order by w.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
      .json("workflows", of: "workflows")
  }

  private func workflow(
    _ name: String, version: Int? = nil, after change: PostgresQuery?, as caller: Principal
  ) async throws -> String {
    let one: PostgresQuery = """
      select json_build_object('name', w.name, 'description', w.description, 'version', v.version, 'plan', v.plan,
        'inputs', v.inputs, 'created_at', w.created_at, 'updated_at', w.updated_at)::text
      from workflows w join workflow_versions v on v.workflow_id = w.id and v.version = coalesce(\(version), w.version)
      where w.name = \(name) and w.user_id is not distinct from auth.uid()
      """
    guard let row = try await database.rows(change, one, as: caller).first else { throw SimplonError.noWorkflow(name) }
    return try row.decode(String.self)
  }

  /// The request with its plan checked and in its canonical form.
  private func stored(_ request: WorkflowRequest) throws(SimplonError) -> JSON {
    var members = request.json.object ?? [:]
    if let plan = request.plan { members["plan"] = try Plan(json: plan, tools: runs.tools).json }
    return .object(members)
  }
}
