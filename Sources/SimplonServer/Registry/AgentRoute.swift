import HTTPTypes
import Hummingbird
import SimplonAgents

extension Route {
  /// `GET /api/v1/agents/{agent_id}`: one agent.
  static func agent(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents/{agent_id}", methods: [.get], name: "getAgent", tag: "Registry",
      summary: "Shows an agent", shapes: [Shape(name: "AgentQuery", fields: [.agentID])],
      answers: [Answer(status: 200, summary: "the agent", schema: Schema.reference("Agent"))],
      handler: .caller { call, principal in
        .json(text: try await registry.agent(call.string("agent_id") ?? "", as: principal))
      })
  }

  /// `PATCH /api/v1/agents/{agent_id}`: a sign of life, with what has changed.
  static func changeAgent(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents/{agent_id}", methods: [.patch], isSafe: false, name: "changeAgent", tag: "Registry",
      summary: "Says that an agent lives, and changes what is sent, for the service alone",
      shapes: [Shape(name: "ChangeAgent", fields: [Field.agentID] + AgentChange.fields)],
      answers: [Answer(status: 200, summary: "the agent", schema: Schema.reference("Agent"))],
      handler: .caller { call, principal in
        let change = try AgentChange(json: call.body(without: "agent_id"))
        return .json(text: try await registry.change(call.string("agent_id") ?? "", change, as: principal))
      })
  }
}
