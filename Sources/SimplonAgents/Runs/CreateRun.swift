package import FoundationEssentials
package import SimplonCore

/// A request for a run, as a caller sends it.
package struct CreateRun: Sendable {
  /// What the agent is asked, at most 1 MiB; nil when a plan says what to do.
  package var prompt: String?
  /// The plan as sent; ``Runs/create(_:idempotencyKey:as:)`` reads and checks it.
  package var plan: JSON?
  /// A saved workflow's name.
  package var workflow: String?
  /// The workflow's inputs, an object of at most 60,000 bytes of JSON; with the metadata, 64 KiB.
  package var inputs: JSON?
  /// The agent's name.
  package var agent: String?
  /// The model to ask, such as `anthropic/claude-sonnet-4-5`; nil means those of the configuration.
  package var model: String?
  /// The tools that the run may use; nil means all.
  package var tools: [String]?
  /// The connectors that the run may use; nil means all that serve its owner.
  package var connectors: [String]?
  /// The caller's own notes, at most 64 KiB of JSON.
  package var metadata: JSON?
  /// The app's thing that the run is about.
  package var projectID: UUID?
  /// What it may cost and how far it may go.
  package var budget: Budget?
  /// Whether the run starts at once.
  package var start: Bool
  /// What makes it a typed task of the agent that it names; read by ``TaskRequest``.
  var task: JSON?

  /// Reads a request body; the member `action` must be taken out before.
  ///
  /// - Throws: `request.invalid` and `request.unknown_field`; `request.too_large` for a prompt, metadata or a list
  ///   beyond the limit.
  package init(json: JSON) throws(SimplonError) {
    var fields = try Fields(json, "the request")
    prompt = try fields.string("prompt")
    plan = fields.json("plan")
    workflow = try fields.string("workflow")
    inputs = try fields.object("inputs").map(JSON.object)
    agent = try fields.string("agent")
    if let text = try fields.string("model") {
      guard ModelName(text) != nil else { throw fields.wrong("model", "must be anthropic/NAME or openai/NAME") }
      model = text
    }
    tools = try fields.strings("tools")
    connectors = try fields.strings("connectors")
    if let json = fields.json("budget") { budget = try Budget(json: json) }
    metadata = try fields.object("metadata").map(JSON.object)
    start = try fields.bool("start") ?? true
    if let text = try fields.string("project_id") {
      guard let id = UUID(uuidString: text) else { throw fields.wrong("project_id", "must be a UUID") }
      projectID = id
    }
    try fields.finish()
    guard [prompt != nil, plan != nil, workflow != nil].count(where: { $0 }) == 1 else {
      throw SimplonError(.requestInvalid, "give exactly one of \"prompt\", \"plan\" and \"workflow\"")
    }
    guard workflow != nil || inputs == nil else { throw fields.wrong("inputs", "goes with \"workflow\"") }
    guard prompt?.isEmpty != true else { throw fields.wrong("prompt", "must not be empty") }
    try Self.limit("prompt", prompt?.utf8.count ?? 0, to: 1_048_576)
    try Self.limit("metadata", metadata?.utf8.count ?? 0, to: 65_536)
    try Self.limit("inputs", inputs?.utf8.count ?? 0, to: 60_000)
    for (name, text) in [("agent", agent), ("workflow", workflow)] {
      try Self.limit(name, text?.utf8.count ?? 0, to: 255)
    }
    for (name, list) in [("tools", tools ?? []), ("connectors", connectors ?? [])] {
      try Self.limit(name, list.reduce(list.count) { $0 + $1.utf8.count }, to: 16_384)
    }
    guard connectors?.allSatisfy(Connector.isName) ?? true else {
      throw fields.wrong("connectors", "must be names: small letters, digits, _ and -, 64 at most")
    }
    if let prompt, prompt.utf8.contains(0) { throw fields.wrong("prompt", "must not contain U+0000") }
  }

  /// The members that are stored, as the database function takes them.
  ///
  /// Absent ones are left out.
  var json: JSON {
    var members = [String: JSON]()
    members["prompt"] = prompt.map(JSON.string)
    members["plan"] = plan
    members["workflow"] = workflow.map(JSON.string)
    members["inputs"] = inputs
    members["agent"] = agent.map(JSON.string)
    members["model"] = model.map(JSON.string)
    members["tools"] = tools.map { .array($0.map(JSON.string)) }
    members["connectors"] = connectors.map { .array($0.map(JSON.string)) }
    members["metadata"] = metadata
    members["budget"] = budget?.json
    members["project_id"] = projectID.map { .string($0.uuidString) }
    if !start { members["start"] = false }
    members["task"] = task
    members["task_id"] = task?["task_id"]
    members["priority"] = task?["priority"]
    return .object(members)
  }

  static func limit(_ name: String, _ bytes: Int, to most: Int) throws(SimplonError) {
    guard bytes <= most else { throw .tooLarge(name, bytes, limit: most) }
  }
}

/// What the caller gets for a request.
package struct RunReceipt: Sendable {
  /// The run.
  package let runID: UUID
  /// Its status now.
  package let status: String
  /// When it was made, ISO 8601.
  package let createdAt: String
  /// False when the same idempotency key had made it before.
  package let isNew: Bool
  /// The typed task that it does.
  package let taskID: String?
}

/// What a caller can do to a run of its own.
package enum RunAction: String, Sendable, CaseIterable {
  case start, stop, retry, resume
}

/// What a status answer includes beside the run itself.
package struct RunIncludes: Sendable {
  /// The lists, in the order in which they are answered.
  package enum List: String, Sendable, CaseIterable { case steps, logs, messages, artifacts, snapshots }

  /// The lists asked for.
  package var lists: Set<List>
  /// The most rows per list, 1 to 1,000.
  package var limit: Int
  /// Where one list goes on; nil begins each.
  package var cursor: String?

  /// Makes a choice; `limit` is checked at the door.
  package init(lists: Set<List> = [], limit: Int = 100, cursor: String? = nil) {
    self.lists = lists
    self.limit = limit
    self.cursor = cursor
  }
}
