import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/executions`: the history of tasks.
  static func executions(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/executions", methods: [.get], name: "listExecutions", tag: "Registry",
      summary: "Lists the caller's executions, the newest first",
      shapes: [
        Shape(
          name: "ExecutionListQuery",
          fields: [.ofAgent, .ofAgentType, .ofTaskType, .ofTaskStatus, .since, .hours, .limit, .cursor])
      ],
      answers: [Answer(status: 200, summary: "the executions", schema: Schema.reference("ExecutionList"))],
      handler: .caller { call, principal in
        .json(text: try await registry.executions(ListQuery(call), as: principal))
      })
  }

  /// `POST /api/v1/executions`: what an agent does elsewhere.
  static func reportExecution(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/executions", methods: [.post], isSafe: false, name: "reportExecution", tag: "Registry",
      summary: "Takes the report of a task that an agent does elsewhere, from the service or the agent's owner",
      shapes: [Shape(name: "ReportExecution", fields: ExecutionReport.fields)],
      answers: [
        Answer(status: 201, summary: "the execution, which is new", schema: Schema.reference("Execution")),
        Answer(
          status: 200, summary: "the execution as it stands, which was reported before",
          schema: Schema.reference("Execution")),
      ],
      handler: .caller { call, principal in
        let report = try ExecutionReport(json: .object(call.fields))
        let (execution, isNew) = try await registry.report(report, as: principal)
        return .json(text: execution, status: isNew ? .created : .ok)
      })
  }
}
