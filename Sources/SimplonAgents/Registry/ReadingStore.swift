import FoundationEssentials
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of metrics and of readings of the system's health, all of it as the caller.
struct ReadingStore: Sendable {
  let database: CallerDatabase

  private static let metric = """
    json_build_object('id', m.id, 'agent_id', i.agent_id, 'agent_type', m.agent_type,
      'period_start', m.period_start, 'period_end', m.period_end, 'tasks_completed', m.tasks_completed,
      'tasks_failed', m.tasks_failed, 'success_rate', m.success_rate,
      'average_execution_time', m.average_execution_time, 'average_quality_score', m.average_quality_score,
      'reported', m.reported, 'created_at', m.created_at)::text
    """
  private static let reading = """
    json_build_object('id', h.id, 'component', h.component, 'status', h.status, 'reading', h.reading,
      'created_at', h.created_at)::text
    """

  /// Stores an agent's own figures; gives them as JSON text.
  func report(_ report: JSON, as caller: Principal) async throws -> String {
    let stored = try await database.rows("select simplon.report_metrics(\(report))", as: caller)
    let id = try stored.one(from: "simplon.report_metrics").decode(UUID.self)
    let rows = try await database.rows(
      """
      select \(unsafeSQL: Self.metric) from agent_metrics m join agent_instances i on i.id = m.agent_instance_id
      where m.id = \(id)
      """, as: caller)
    return try rows.one(from: "simplon.report_metrics").decode(String.self)
  }

  /// Metrics whose period reaches into the last hours, the latest first.
  func metrics(_ query: ListQuery, hours: Int, as caller: Principal) async throws -> RunPage {
    var before = (PostgresTimestamp.infinity, ListQuery.highest)
    if let key = try query.key(of: "metrics") {
      let parts = key.split(separator: ".")
      guard parts.count == 2, let time = Int64(parts[0]), let id = UUID(uuidString: String(parts[1])) else {
        throw Cursor.foreign
      }
      before = (PostgresTimestamp(microsecondsSince1970: time), id)
    }
    // No period is longer than 31 days, which spares a look at the partitions before.
    let page: PostgresQuery = """
      select row_number() over (order by m.period_start desc, m.id desc) as place,
        (extract(epoch from m.period_start) * 1000000)::bigint || '.' || m.id as key, \(unsafeSQL: Self.metric) as json
      from agent_metrics m join agent_instances i on i.id = m.agent_instance_id
      where (m.period_start, m.id) < (\(before.0), \(before.1))
        and m.period_end > now() - \(hours) * interval '1 hour'
        and m.period_start > now() - \(hours) * interval '1 hour' - interval '31 days'
        and (\(query.agentID)::text is null or i.agent_id = \(query.agentID)::text)
        and (\(query.agentType)::agent_type is null or m.agent_type = \(query.agentType)::agent_type)
      order by m.period_start desc, m.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
  }

  /// Stores a reading; gives it as JSON text.
  func record(_ reading: JSON, as caller: Principal) async throws -> String {
    let rows = try await database.rows(
      """
      insert into system_health as h (component, status, reading)
      select r.component, r.status, coalesce(r.reading, '{}')
      from jsonb_to_record(\(reading)) as r (component text, status text, reading jsonb)
      returning \(unsafeSQL: Self.reading)
      """, as: caller)
    return try rows.one(from: "the insert of a reading").decode(String.self)
  }

  /// Readings of the last hours, the newest first.
  func health(_ query: ListQuery, hours: Int, as caller: Principal) async throws -> RunPage {
    let before = try query.id(of: "readings")
    let page: PostgresQuery = """
      select row_number() over (order by h.id desc) as place, h.id::text as key, \(unsafeSQL: Self.reading) as json
      from system_health h
      where h.id < \(before) and h.created_at >= now() - \(hours) * interval '1 hour'
        and (\(query.component)::text is null or h.component = \(query.component)::text)
        and (\(query.status)::text is null or h.status = \(query.status)::text)
      order by h.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
  }
}
