import SimplonCore
package import SimplonIdentity
package import SimplonPostgres

/// Everything a caller can do with agents and their tasks, executions and metrics, with the system's health, and with its
/// own workflows, schedules and webhooks.
///
/// HTTP enters here. Each call runs as its caller inside PostgreSQL, whose row level security and grants decide: signed-in
/// users read what is shared and what is their own, the service writes, and a user writes for agents of its own. What the
/// caller may not see is answered as if it did not exist. Answers are JSON text.
package struct Registry: Sendable {
  let agentStore: AgentStore
  let executionStore: ExecutionStore
  let readingStore: ReadingStore
  let database: CallerDatabase
  let runs: Runs
  /// Whether webhooks may be in private networks.
  let webhooksAllowPrivate: Bool

  /// Puts the use cases together.
  ///
  /// - Parameters:
  ///   - callers: a client whose login may become the API roles and has no rights of its own.
  ///   - statementTimeout: how long one statement of a caller may take.
  ///   - runs: makes the runs of typed tasks.
  ///   - webhooksAllowPrivate: whether webhooks may be on this machine and in private networks.
  package init(
    callers: PostgresClient, statementTimeout: Duration, runs: Runs, webhooksAllowPrivate: Bool = false
  ) {
    let database = CallerDatabase(client: callers, statementTimeout: statementTimeout, check: runs.signedIn)
    self.agentStore = AgentStore(database: database)
    self.executionStore = ExecutionStore(database: database)
    self.readingStore = ReadingStore(database: database)
    self.database = database
    self.runs = runs
    self.webhooksAllowPrivate = webhooksAllowPrivate
  }

  /// Registers an agent, or puts one that is registered into the state that is sent; the service's alone.
  ///
  /// - Returns: the agent, and whether it is new.
  /// - Throws: `auth.forbidden`.
  package func register(
    _ registration: AgentRegistration, as caller: Principal
  ) async throws -> (agent: String, isNew: Bool) {
    try await agentStore.register(registration.json, as: caller)
  }

  /// Changes an agent, and says in any case that it lives; the service's alone.
  ///
  /// - Throws: `agent.not_found`, `auth.forbidden`.
  package func change(_ agent: String, _ change: AgentChange, as caller: Principal) async throws -> String {
    guard let text = try await agentStore.change(agent, change.json, as: caller) else {
      throw SimplonError.noAgent(agent)
    }
    return text
  }

  /// One agent.
  ///
  /// - Throws: `agent.not_found`.
  package func agent(_ agent: String, as caller: Principal) async throws -> String {
    guard let text = try await agentStore.agent(agent, as: caller) else { throw SimplonError.noAgent(agent) }
    return text
  }

  /// The agents that the caller sees, the last that was registered first, as `{"agents": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func list(_ query: ListQuery, as caller: Principal) async throws -> String {
    try await agentStore.list(query, as: caller).json("agents", of: "agents")
  }
}

extension SimplonError {
  static func noAgent(_ agent: String) -> SimplonError {
    SimplonError(.agentNotFound, "there is no agent \"\(agent.prefix(200))\" that you may see")
  }
}
