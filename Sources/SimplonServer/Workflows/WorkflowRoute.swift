import HTTPTypes
import Hummingbird
import SimplonAgents

extension Route {
  /// `GET /api/v1/workflows/{name}`: one workflow.
  static func workflow(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/workflows/{name}", methods: [.get], name: "getWorkflow", tag: "Workflows",
      summary: "Shows a workflow with its plan, as it is or as a version of it was",
      shapes: [
        Shape(
          name: "WorkflowQuery",
          fields: [
            .workflowName,
            Field(name: "version", kind: .integer(1...2_147_483_647), summary: "the version; the latest by default"),
          ])
      ],
      answers: [Answer(status: 200, summary: "the workflow", schema: Schema.reference("Workflow"))],
      handler: .caller { call, principal in
        .json(
          text: try await registry.workflow(
            call.string("name") ?? "", version: call.integer("version"), as: principal))
      })
  }

  /// `PATCH /api/v1/workflows/{name}`: changes one.
  static func changeWorkflow(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/workflows/{name}", methods: [.patch], isSafe: false, name: "changeWorkflow", tag: "Workflows",
      summary: "Changes what is sent; another plan, or other inputs, are a new version",
      shapes: [Shape(name: "ChangeWorkflow", fields: [Field.workflowName] + WorkflowRequest.fields(isNew: false))],
      answers: [Answer(status: 200, summary: "the workflow", schema: Schema.reference("Workflow"))],
      handler: .caller { call, principal in
        let request = try WorkflowRequest(json: call.body(without: "name"), isNew: false)
        return .json(text: try await registry.change(call.string("name") ?? "", request, as: principal))
      })
  }

  /// `DELETE /api/v1/workflows/{name}`: deletes one.
  static func deleteWorkflow(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/workflows/{name}", methods: [.delete], isSafe: false, name: "deleteWorkflow", tag: "Workflows",
      summary: "Deletes a workflow with its versions; its runs stay",
      shapes: [Shape(name: "DeleteWorkflow", fields: [.workflowName])],
      answers: [Answer(status: 204, summary: "it is gone")],
      handler: .caller { call, principal in
        try await registry.deleteWorkflow(call.string("name") ?? "", as: principal)
        return Response(status: .noContent)
      })
  }
}
