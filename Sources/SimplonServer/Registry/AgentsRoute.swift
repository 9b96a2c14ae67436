import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/agents`: the registered agents.
  static func agents(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents", methods: [.get], name: "listAgents", tag: "Registry",
      summary: "Lists the agents that the caller sees, the last that was registered first",
      shapes: [
        Shape(
          name: "AgentListQuery",
          fields: [
            .ofAgentType,
            Field(name: "status", kind: .choice(AgentWords.statuses), summary: "only those that are so"),
            .limit, .cursor,
          ])
      ],
      answers: [Answer(status: 200, summary: "the agents", schema: Schema.reference("AgentList"))],
      handler: .caller { call, principal in .json(text: try await registry.list(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/agents`: makes an agent known, or puts it into the state that is sent.
  static func registerAgent(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/agents", methods: [.post], isSafe: false, name: "registerAgent", tag: "Registry",
      summary: "Registers an agent, for the service alone; the same again makes no difference",
      shapes: [Shape(name: "RegisterAgent", fields: AgentRegistration.fields)],
      answers: [
        Answer(status: 201, summary: "the agent, which is new", schema: Schema.reference("Agent")),
        Answer(status: 200, summary: "the agent, which was there", schema: Schema.reference("Agent")),
      ],
      handler: .caller { call, principal in
        let registration = try AgentRegistration(json: .object(call.fields))
        let (agent, isNew) = try await registry.register(registration, as: principal)
        return .json(text: agent, status: isNew ? .created : .ok)
      })
  }
}
