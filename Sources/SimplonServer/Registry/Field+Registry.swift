import SimplonAgents
import SimplonCore

/// The fields that several routes of the registry take.
extension Field {
  static let taskID = Field(name: "task_id", kind: .name, isRequired: true, summary: "the task")
  static let ofAgent = Field(name: "agent_id", kind: .name, summary: "only this agent's")
  static let ofAgentType = Field(name: "agent_type", kind: .choice(AgentWords.types), summary: "only these agents'")
  static let ofTaskType = Field(name: "task_type", kind: .name, summary: "only tasks of this type")
  static let ofTaskStatus = Field(name: "status", kind: .choice(AgentWords.taskStatuses), summary: "only those")
  static let since = Field(name: "since", kind: .time, summary: "only what was made from then on")
  static let hours = Field(name: "hours", kind: .integer(1...8760), summary: "only of so many hours back")
  static let lastHours = Field(
    name: "hours", kind: .integer(1...8760), summary: "for how many hours back; 24 by default")
  static let limit = Field(name: "limit", kind: .integer(1...1000), summary: "the most items; 100 by default")
  static let cursor = Field(
    name: "cursor", kind: .text(maximum: 8192), summary: "the `next_cursor` of the page before")
}

extension ListQuery {
  /// What a request asks for, by the fields above.
  init(_ call: Call) {
    self.init()
    agentID = call.string("agent_id")
    agentType = call.string("agent_type")
    taskType = call.string("task_type")
    status = call.string("status")
    component = call.string("component")
    since = call.string("since").flatMap(RFC3339.microseconds)
    hours = call.integer("hours")
    limit = call.integer("limit") ?? limit
    cursor = call.string("cursor")
  }
}

extension Call {
  /// The fields without the path's own, as one object.
  func body(without parameters: String...) -> JSON {
    .object(fields.filter { !parameters.contains($0.key) })
  }
}
