import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/workflows`: the caller's workflows.
  static func workflows(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/workflows", methods: [.get], name: "listWorkflows", tag: "Workflows",
      summary: "Lists the caller's workflows without their plans, the last one first",
      shapes: [Shape(name: "WorkflowListQuery", fields: [.limit, .cursor])],
      answers: [Answer(status: 200, summary: "the workflows", schema: Schema.reference("WorkflowList"))],
      handler: .caller { call, principal in .json(text: try await registry.workflows(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/workflows`: saves one.
  static func saveWorkflow(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/workflows", methods: [.post], isSafe: false, name: "saveWorkflow", tag: "Workflows",
      summary: "Saves a plan under a name",
      shapes: [Shape(name: "SaveWorkflow", fields: WorkflowRequest.fields(isNew: true))],
      answers: [Answer(status: 201, summary: "the workflow", schema: Schema.reference("Workflow"))],
      handler: .caller { call, principal in
        let request = try WorkflowRequest(json: .object(call.fields), isNew: true)
        return .json(text: try await registry.save(request, as: principal), status: .created)
      })
  }
}
