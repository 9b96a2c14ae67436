package import SimplonAgents
package import SimplonIdentity

/// What callers reach through a server, and who decides who they are.
package struct AgentDoor: Sendable {
  /// The use cases of runs and of what they cost.
  let runs: Runs
  /// The use cases of agents and what they do, of readings, workflows, schedules and webhooks.
  let registry: Registry
  /// Gives a run's events as they are written.
  let streams: LogStreams
  /// Turns tokens into principals.
  let authenticator: Authenticator

  /// Makes a door; `streams` must itself be running.
  package init(runs: Runs, registry: Registry, streams: LogStreams, authenticator: Authenticator) {
    self.runs = runs
    self.registry = registry
    self.streams = streams
    self.authenticator = authenticator
  }
}
