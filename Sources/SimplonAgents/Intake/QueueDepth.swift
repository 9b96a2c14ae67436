import FoundationEssentials
import SimplonPostgres

/// The SQL that counts the queue, run as `service_role`.
///
/// What waits in it for a time, or for a person, is not counted.
struct QueueDepth: Sendable {
  let client: PostgresClient

  /// How many runs that part of the queue holds, counted to the limit.
  func count(_ part: Intake.Part, upTo limit: Int) async throws -> Int {
    let rows = try await client.query(Self.query(part, limit))
    return Int(try rows.first?.decode(Int64.self) ?? 0)
  }

  private static func query(_ part: Intake.Part, _ limit: Int) -> PostgresQuery {
    switch part {
    case .all:
      "select count(*) from (select from agent_task_queue where ready_at <= now() limit \(limit)) q"
    case .of(.some(let user)):
      "select count(*) from (select from agent_task_queue where user_id = \(user) and ready_at <= now() limit \(limit)) q"
    case .of(.none):
      "select count(*) from (select from agent_task_queue where user_id is null and ready_at <= now() limit \(limit)) q"
    }
  }
}
