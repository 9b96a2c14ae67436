import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// Which part of one of the registry's lists a caller wants; what is nil makes no difference.
///
/// Words and ranges are checked at the door.
package struct ListQuery: Sendable {
  /// The agent's name.
  package var agentID: String?
  /// One of ``AgentWords/types``.
  package var agentType: String?
  /// The type of task.
  package var taskType: String?
  /// One of ``AgentWords/statuses`` of agents, of ``AgentWords/taskStatuses`` of executions.
  package var status: String?
  /// The part of the system.
  package var component: String?
  /// Microseconds since 1970 from which on.
  package var since: Int64?
  /// For how many hours back, 1 to 8,760.
  package var hours: Int?
  /// The most items, 1 to 1,000.
  package var limit = 100
  /// Where the list goes on; nil begins it.
  package var cursor: String?

  /// Asks for the beginning of all.
  package init() {}

  /// The moment from which on.
  var start: PostgresTimestamp? { since.map { PostgresTimestamp(microsecondsSince1970: $0) } }

  /// The key of the last item seen.
  ///
  /// - Throws: `request.cursor` when it is of another list.
  func key(of list: String) throws(SimplonError) -> String? {
    guard let cursor else { return nil }
    let place = try Cursor(cursor)
    guard place.list == list else { throw Cursor.foreign }
    return place.key
  }

  /// The id of the last item seen, in a list from the highest id down.
  ///
  /// - Throws: `request.cursor` when it is of another list.
  func id(of list: String) throws(SimplonError) -> UUID {
    guard let key = try key(of: list) else { return Self.highest }
    guard let id = UUID(uuidString: key) else { throw Cursor.foreign }
    return id
  }

  /// After every id.
  static let highest = UUID(uuid: (255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255))
}
