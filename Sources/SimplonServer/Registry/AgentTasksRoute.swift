import FoundationEssentials
import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/agents/{agent_id}/tasks`: the caller's tasks of one agent.
  static func agentTasks(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents/{agent_id}/tasks", methods: [.get], name: "listTasks", tag: "Registry",
      summary: "Lists the caller's tasks of an agent, the newest first",
      shapes: [
        Shape(
          name: "TaskListQuery",
          fields: [.agentID, .ofTaskType, .ofTaskStatus, .since, .hours, .limit, .cursor])
      ],
      answers: [Answer(status: 200, summary: "the tasks", schema: Schema.reference("ExecutionList"))],
      handler: .caller { call, principal in
        .json(text: try await registry.executions(ListQuery(call), as: principal))
      })
  }

  /// `POST /api/v1/agents/{agent_id}/tasks`: a typed task, which becomes a run.
  static func runTask(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents/{agent_id}/tasks", methods: [.post], isSafe: false, name: "runTask", tag: "Registry",
      summary: "Makes a run that does a typed task of an agent",
      shapes: [Shape(name: "RunTask", fields: [Field.agentID] + TaskRequest.fields)],
      headers: [
        Field(
          name: "Idempotency-Key", kind: .text(maximum: 255),
          summary: "the same key with the same body gives the same task, once; printable ASCII")
      ],
      answers: [
        Answer(status: 201, summary: "the task was made", schema: Schema.reference("TaskReceipt")),
        Answer(status: 200, summary: "the same key's task", schema: Schema.reference("TaskReceipt")),
      ],
      handler: .caller { call, principal in
        let agent = call.string("agent_id") ?? ""
        let request = try TaskRequest(agent: agent, json: call.body(without: "agent_id"))
        let receipt = try await registry.runTask(
          request, idempotencyKey: call.request.headers[.idempotencyKey], as: principal)
        return .json(
          [
            "task_id": .string(receipt.taskID), "agent_id": .string(agent),
            "run_id": .string(receipt.run.runID.uuidString.lowercased()), "status": .string(receipt.run.status),
            "created_at": .string(receipt.run.createdAt),
          ], status: receipt.run.isNew ? .created : .ok)
      })
  }
}
