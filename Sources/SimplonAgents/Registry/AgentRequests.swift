package import SimplonCore

extension Field {
  /// The agent that something is about.
  package static let agentID = Field(name: "agent_id", kind: .name, isRequired: true, summary: "the agent")
}

/// What the service says of an agent when it registers it; the same again makes no difference.
package struct AgentRegistration: Sendable {
  /// What it holds.
  package static let fields: [Field] =
    [
      Field(name: "agent_id", kind: .name, isRequired: true, summary: "its name, one for all of its starts"),
      Field(name: "agent_type", kind: .choice(AgentWords.types), summary: "what it is; general by default"),
      Field(name: "user_id", kind: .uuid, summary: "whose it is; without, all signed-in users see it"),
    ] + AgentChange.fields

  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 64 KiB of an object.
  package init(json: JSON) throws(SimplonError) { self.json = .object(try Self.fields.read(json)) }
}

/// What has changed about an agent; nothing at all is a heartbeat.
package struct AgentChange: Sendable {
  /// What it holds.
  package static let fields = [
    Field(name: "status", kind: .choice(AgentWords.statuses), summary: "how the agent is"),
    Field(
      name: "configuration", kind: .object(maximum: 65_536),
      summary: "what it is set to, to be read by all who see it; at most 64 KiB"),
    Field(name: "resource_limits", kind: .object(maximum: 65_536), summary: "what it may use; at most 64 KiB"),
    Field(
      name: "performance_thresholds", kind: .object(maximum: 65_536),
      summary: "what is expected of it; at most 64 KiB"),
  ]

  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 64 KiB of an object.
  package init(json: JSON) throws(SimplonError) { self.json = .object(try Self.fields.read(json)) }
}
