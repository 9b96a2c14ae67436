import HTTPTypes
import Hummingbird
import SimplonAgents

extension Route {
  /// `GET /api/v1/executions/{task_id}`: one execution.
  static func execution(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/executions/{task_id}", methods: [.get], name: "getExecution", tag: "Registry",
      summary: "Shows an execution", shapes: [Shape(name: "ExecutionQuery", fields: [.taskID])],
      answers: [Answer(status: 200, summary: "the execution", schema: Schema.reference("Execution"))],
      handler: .caller { call, principal in
        .json(text: try await registry.execution(call.string("task_id") ?? "", as: principal))
      })
  }

  /// `PATCH /api/v1/executions/{task_id}`: what has become of it.
  static func changeExecution(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/executions/{task_id}", methods: [.patch], isSafe: false, name: "changeExecution", tag: "Registry",
      summary: "Takes what has become of an execution that was reported and has not ended",
      shapes: [Shape(name: "ChangeExecution", fields: [Field.taskID] + ExecutionChange.fields)],
      answers: [Answer(status: 200, summary: "the execution", schema: Schema.reference("Execution"))],
      handler: .caller { call, principal in
        let change = try ExecutionChange(json: call.body(without: "task_id"))
        return .json(
          text: try await registry.change(execution: call.string("task_id") ?? "", change, as: principal))
      })
  }
}
