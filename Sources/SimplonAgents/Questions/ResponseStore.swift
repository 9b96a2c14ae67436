import FoundationEssentials
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of what people say to a run's questions; it runs as the caller.
struct ResponseStore: Sendable {
  let callers: PostgresClient
  let statementTimeout: Duration

  private func session(_ caller: Principal) -> PostgresSession {
    PostgresSession(caller, statementTimeout: statementTimeout)
  }

  /// The tool and the input of a step of the current attempt; nil when the caller has none of that name.
  func step(_ step: String, of run: UUID, as caller: Principal) async throws -> (
    tool: String, input: JSON?, isWaiting: Bool
  )? {
    let rows = try await callers.query(
      """
      select s.tool, s.input, s.status = 'waiting' from agent_runs r join agent_steps s on s.run_id = r.id and s.attempt = r.attempt
      where r.id = \(run) and s.step_id = \(step)
      """, as: session(caller))
    guard let row = rows.first else { return nil }
    let (tool, input, isWaiting) = try row.decode(String.self, JSON?.self, Bool.self)
    return (tool, input, isWaiting)
  }

  /// Writes the response down; gives the run's status.
  func respond(_ response: JSON, to step: String, of run: UUID, as caller: Principal) async throws -> String {
    let rows = try await callers.query(
      "select simplon.respond_to_run(\(run), \(step), \(response))", as: session(caller))
    return try rows.one(from: "simplon.respond_to_run").decode(String.self)
  }
}
