package import SimplonAgents
package import SimplonIdentity

/// What callers reach through a server, and who decides who they are.
package struct AgentDoor: Sendable {
  /// The use cases behind the agent API.
  let runs: Runs
  /// Gives a run's events as they are written.
  let streams: LogStreams
  /// Turns tokens into principals.
  let authenticator: Authenticator

  /// Makes a door; `streams` must itself be running.
  package init(runs: Runs, streams: LogStreams, authenticator: Authenticator) {
    self.runs = runs
    self.streams = streams
    self.authenticator = authenticator
  }
}
