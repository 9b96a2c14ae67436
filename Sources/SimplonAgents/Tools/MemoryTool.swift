import SimplonCore

/// `memory.put`, `memory.get`, `memory.search` and `memory.delete`: what later runs of the same owner shall know.
struct MemoryTool: Sendable {
  /// Memories that one search gives.
  static let mostFound = 50

  /// Nil where there is no place for them.
  let store: MemoryStore?

  static let declarations = [
    declaration(
      "memory.put", "Keeps a text under a key for later runs, in the place of what was there.", .idempotent,
      required: ["key", "content"],
      [
        "key": key, "content": ["type": "string", "description": "the text, at most 65,536 bytes"],
        "metadata": ["type": "object", "description": "anything to be kept with it, at most 16,384 bytes"],
      ]),
    declaration(
      "memory.get", "Gives the text that is kept under a key.", .pure, required: ["key"], ["key": key]),
    declaration(
      "memory.search", "Finds what is kept and is closest to a text, by meaning or by words.", .pure,
      required: ["query"],
      [
        "query": ["type": "string", "minLength": 1, "maxLength": 4000, "description": "what it is about"],
        "limit": ["type": "integer", "minimum": 1, "maximum": .integer(mostFound), "default": 10],
      ]),
    declaration(
      "memory.delete", "Forgets what is kept under a key.", .idempotent, required: ["key"], ["key": key]),
  ]

  private static let key: JSON = ["type": "string", "minLength": 1, "maxLength": .integer(MemoryStore.nameLimit)]

  private static func declaration(
    _ name: String, _ summary: String, _ effect: EffectKind, required: [JSON], _ own: [String: JSON]
  ) -> ToolDeclaration {
    let isSearch = name == "memory.search"
    let narrows = isSearch ? "only of this" : "none where left out"
    let scope: [String: JSON] = [
      "agent": [
        "type": "string", "maxLength": .integer(MemoryStore.nameLimit), "description": .string("an agent; \(narrows)"),
      ],
      "namespace": [
        "type": "string", "maxLength": .integer(MemoryStore.nameLimit), "description": .string("a group; \(narrows)"),
      ],
    ]
    return ToolDeclaration(
      name: name, summary: summary,
      inputSchema: [
        "type": "object", "additionalProperties": false, "required": .array(required),
        "properties": .object(own.merging(scope) { $1 }),
      ], effect: effect, usesFiles: false, timeout: .seconds(60), maximumTimeout: .seconds(3600))
  }

  /// Does what the tool of that name does.
  ///
  /// - Throws: `tool.input`, `tool.limit`, `tool.timeout`, `tool.unavailable`; `run.stale`; `run.interrupted` when a
  ///   write may or may not have been committed; `database.*`; `CancellationError`.
  func run(_ tool: String, _ call: ToolCall) async throws -> ToolResult {
    guard let store else {
      throw SimplonError(.toolUnavailable, "there is no place for memories here", retry: .backoff)
    }
    do {
      return ToolResult(output: try await output(tool, call, store))
    } catch let error as SimplonError {
      throw Self.failure(error)
    }
  }

  private func output(_ tool: String, _ call: ToolCall, _ store: MemoryStore) async throws -> JSON {
    let agent = try Self.name("agent", call.input)
    let namespace = try Self.name("namespace", call.input)
    if tool == "memory.search" {
      return try await store.search(
        call.input["query"]?.string ?? "", agent: agent, namespace: namespace,
        limit: call.input["limit"]?.integer ?? 10, call)
    }
    let key = try Self.name("key", call.input) ?? ""
    let place = MemoryStore.Place(agent: agent ?? "", namespace: namespace ?? "", key: key)
    var members: [String: JSON] = ["key": .string(key)]
    switch tool {
    case "memory.put":
      let content = call.input["content"]?.string ?? ""
      let metadata = call.input["metadata"] ?? [:]
      try Self.check("content", content.utf8.count, MemoryStore.contentLimit)
      try Self.check("metadata", metadata.utf8.count, MemoryStore.metadataLimit)
      try await store.put(content, metadata, at: place, call)
    case "memory.get":
      let found = try await store.get(place, call)
      members["found"] = .bool(found != nil)
      members.merge(found?.object ?? [:]) { $1 }
    default:
      members["found"] = .bool(try await store.delete(place, call))
    }
    return .object(members)
  }

  private static func name(_ field: String, _ input: JSON) throws(SimplonError) -> String? {
    guard let name = input[field]?.string else { return nil }
    try check(field, name.utf8.count, MemoryStore.nameLimit)
    return name
  }

  private static func check(_ field: String, _ count: Int, _ limit: Int) throws(SimplonError) {
    guard count <= limit else {
      throw SimplonError(.toolInput, "\"\(field)\" has \(count) bytes, and may have \(limit)")
    }
  }

  /// What PostgreSQL or its connection said, as the step's own failure where it is one.
  private static func failure(_ error: SimplonError) -> SimplonError {
    switch error.code {
    case .databaseOutcomeUnknown:
      // The same again does no harm.
      SimplonError(
        .runInterrupted, "nobody knows whether the memory was changed", retry: .backoff, cause: error)
    case .databaseTimeout:
      SimplonError(.toolTimeout, "the database took too long, and nothing was changed", cause: error)
    case .requestInvalid, .requestTooLarge: SimplonError(.toolInput, error.message, cause: error)
    default: error
    }
  }
}
