package import SimplonCore

/// A typed task for an agent, which becomes a run of the caller's.
package struct TaskRequest: Sendable {
  /// What it holds.
  package static let fields = [
    Field(name: "task_type", kind: .name, isRequired: true, summary: "what kind of task it is"),
    Field(name: "prompt", kind: .text(maximum: 1 << 20), summary: "what a model shall do; this or a plan"),
    Field(name: "plan", kind: .object(schema: "Plan"), summary: "the steps to run; this or a prompt"),
    Field(
      name: "input_data", kind: .object(maximum: 64_000),
      summary: "what it is about, for a plan `run.metadata.input_data`; at most 64,000 bytes"),
    Field(name: "task_id", kind: .name, summary: "the task's name, which also makes this safe to repeat"),
    Field(
      name: "priority", kind: .integer(-100...100),
      summary: "what is more comes first; 0 by default, and more than that is for the service alone"),
    Field(name: "session_id", kind: .text(minimum: 1, maximum: 255), summary: "what it belongs to"),
  ]

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
    var task = try Self.fields.read(json)
    let (plan, prompt) = (task.removeValue(forKey: "plan"), task.removeValue(forKey: "prompt"))
    var run = try CreateRun(
      json: [
        "agent": .string(agent), "plan": plan ?? .null, "prompt": prompt ?? .null,
        "metadata": ["task_type": task["task_type"] ?? .null, "input_data": task["input_data"] ?? [:]],
      ])
    run.task = .object(task)
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
  /// What it holds.
  package static let fields: [Field] =
    [
      Field(name: "task_id", kind: .name, isRequired: true, summary: "the task's name, used by nobody else"),
      Field.agentID,
      Field(name: "task_type", kind: .name, isRequired: true, summary: "what kind of task it is"),
      Field(name: "input_data", kind: .object(maximum: 1 << 20), summary: "what it is about; at most 1 MiB"),
      Field(name: "session_id", kind: .text(minimum: 1, maximum: 255), summary: "what it belongs to"),
      Field(name: "user_id", kind: .uuid, summary: "for whom it is done, where the service reports"),
    ] + ExecutionChange.fields

  let taskID: String
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 1 MiB of an object.
  package init(json: JSON) throws(SimplonError) {
    let members = try Self.fields.read(json)
    self.json = .object(members)
    self.taskID = members["task_id"]?.string ?? ""
  }
}

/// What has become of such an execution.
package struct ExecutionChange: Sendable {
  /// What it holds.
  package static let fields = [
    Field(name: "status", kind: .choice(AgentWords.taskStatuses), summary: "how the task stands"),
    Field(name: "output_data", kind: .object(maximum: 1 << 20), summary: "what came of it; at most 1 MiB"),
    Field(name: "error", kind: .object(maximum: 1 << 20), summary: "why it failed; at most 1 MiB"),
    Field(name: "quality_score", kind: .number(0...1), summary: "how good it is"),
    Field(
      name: "execution_time_seconds", kind: .number(0...1e9),
      summary: "how long it took; by default from `running` to its end"),
  ]

  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 1 MiB of an object.
  package init(json: JSON) throws(SimplonError) { self.json = .object(try Self.fields.read(json)) }
}
