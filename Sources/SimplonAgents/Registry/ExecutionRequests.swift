package import SimplonCore

/// A typed task for an agent, which becomes a run of the caller's.
package struct TaskRequest: Sendable {
  let run: CreateRun
  let taskID: String?

  /// Reads a request body.
  ///
  /// The run's metadata hold `task_type` and `input_data`, so that a plan can refer to them.
  ///
  /// - Parameters:
  ///   - agent: the name of the agent.
  ///   - json: the body.
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for a prompt above 1 MiB or `input_data`
  ///   above 62.5 KiB.
  package init(agent: String, json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.name("task_id")
    try reader.name("task_type", isRequired: true)
    try reader.object("input_data", upTo: 64_000)
    try reader.integer("priority", in: -100...100)
    try reader.text("session_id", upTo: 255)
    let (plan, prompt) = (reader.take("plan"), reader.take("prompt"))
    let task = try reader.finish()
    var run = try CreateRun(
      json: [
        "agent": .string(agent), "plan": plan ?? .null, "prompt": prompt ?? .null,
        "metadata": ["task_type": task["task_type"] ?? .null, "input_data": task["input_data"] ?? [:]],
      ])
    run.task = task
    self.run = run
    self.taskID = task["task_id"]?.string
  }
}

/// What the caller gets for a typed task.
package struct TaskReceipt: Sendable {
  /// The task's name.
  package let taskID: String
  /// The run that does it.
  package let run: RunReceipt
}

/// An execution that an agent elsewhere reports.
package struct ExecutionReport: Sendable {
  let taskID: String
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 1 MiB of an object.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.name("task_id", isRequired: true)
    try reader.name("agent_id", isRequired: true)
    try reader.name("task_type", isRequired: true)
    try reader.object("input_data", upTo: 1 << 20)
    try reader.text("session_id", upTo: 255)
    try reader.uuid("user_id")
    try reader.progress()
    self.json = try reader.finish()
    self.taskID = reader["task_id"]?.string ?? ""
  }
}

/// What has become of such an execution.
package struct ExecutionChange: Sendable {
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 1 MiB of an object.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.progress()
    self.json = try reader.finish()
  }
}

extension MemberReader {
  fileprivate mutating func progress() throws(SimplonError) {
    try word("status", of: AgentWords.taskStatuses)
    for name in ["output_data", "error"] { try object(name, upTo: 1 << 20) }
    try number("quality_score", in: 0...1)
    try number("execution_time_seconds", in: 0...1e9)
  }
}
