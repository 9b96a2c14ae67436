import FoundationEssentials
import Logging
import SimplonCore
import SimplonPostgres

extension Upkeep {
  /// Makes the runs that schedules are due for; gives how many.
  ///
  /// Every worker looks; whoever comes second to a time finds it done. One that fails keeps no other waiting.
  ///
  /// - Throws: the first trouble, when all others have had their turn.
  func fireSchedules() async throws -> Int {
    var made = 0
    var trouble: (any Error)?
    // A schedule that makes up what was missed is due again at once.
    for _ in 0..<20 {
      let due = try await client.query("select id, user_id, due, inputs, schema from simplon.due_schedules()")
      var failed = 0
      for row in due {
        do {
          if try await fire(row) { made += 1 }
        } catch {
          try Task.checkCancellation()
          trouble = trouble ?? error
          failed += 1
        }
      }
      // What failed is still due.
      guard failed < due.count else { break }
    }
    if let trouble { throw trouble }
    return made
  }

  private func fire(_ row: PostgresRow) async throws -> Bool {
    let (schedule, owner, due, text, schemaText) = try row.decode(
      UUID.self, UUID?.self, PostgresTimestamp.self, PostgresJSONText.self, PostgresJSONText?.self)
    do {
      // What cannot be read here, such as a number of two thousand digits, is that schedule's alone.
      let given = try JSON(parsing: text.text)
      let schema = try schemaText.map { text throws(SimplonError) in try JSON(parsing: text.text) }
      let inputs = try schema.map { schema throws(SimplonError) in try fillInputs(given, by: schema) } ?? given
      return try await intake.admit(owner, isQueued: { (isMade: Bool) in isMade }) {
        let rows = try await client.query(
          "select simplon.fire_schedule(\(schedule), \(due), \(inputs), \(Int32(AgentSchema.engineVersion)))")
        guard let row = rows.first else { return false }
        let run = try row.decode(UUID?.self)
        return run != nil
      }
    } catch let error as SimplonError
      // Whether it was made shows when it is tried again.
      where error.code == .runQueueFull || error.retry == .never && error.code != .databaseOutcomeUnknown
    {
      logger.notice(
        "a schedule's run could not be made",
        metadata: ["schedule": "\(schedule)", "error": "\(error.code.rawValue)"])
      _ = try await client.query("select simplon.fail_schedule(\(schedule), \(due), \(error.json))")
      return false
    }
  }
}
