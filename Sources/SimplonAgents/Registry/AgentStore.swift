import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of registered agents, all of it as the caller.
struct AgentStore: Sendable {
  let database: CallerDatabase

  private static let json = """
    json_build_object('id', i.id, 'agent_id', i.agent_id, 'agent_type', i.agent_type, 'status', i.status,
      'configuration', i.configuration, 'resource_limits', i.resource_limits,
      'performance_thresholds', i.performance_thresholds, 'current_task_id', i.current_task_id,
      'last_activity', i.last_activity, 'total_tasks_completed', i.total_tasks_completed,
      'total_tasks_failed', i.total_tasks_failed, 'user_id', i.user_id, 'created_at', i.created_at,
      'updated_at', i.updated_at)::text
    """

  /// Puts the agent into the state that was sent, new or not; gives it as JSON text.
  func register(_ request: JSON, as caller: Principal) async throws -> (agent: String, isNew: Bool) {
    let rows = try await database.rows(
      """
      insert into agent_instances as i (
        agent_id, agent_type, user_id, status, configuration, resource_limits, performance_thresholds)
      select r.agent_id, coalesce(r.agent_type, 'general'), r.user_id, coalesce(r.status, 'initializing'),
        coalesce(r.configuration, '{}'), coalesce(r.resource_limits, '{}'), coalesce(r.performance_thresholds, '{}')
      from jsonb_to_record(\(request)) as r (agent_id text, agent_type agent_type, user_id uuid, status agent_status,
        configuration jsonb, resource_limits jsonb, performance_thresholds jsonb)
      on conflict (agent_id) do update set
        agent_type = excluded.agent_type, user_id = excluded.user_id, status = excluded.status,
        configuration = excluded.configuration, resource_limits = excluded.resource_limits,
        performance_thresholds = excluded.performance_thresholds, last_activity = clock_timestamp(),
        updated_at = clock_timestamp()
      returning \(unsafeSQL: Self.json), i.xmax = 0
      """, as: caller)
    return try rows.one(from: "the insert of an agent").decode(String.self, Bool.self)
  }

  /// Changes what was sent; gives the agent as JSON text, nil when there is none.
  func change(_ agent: String, _ changes: JSON, as caller: Principal) async throws -> String? {
    try await database.rows(
      """
      update agent_instances i set
        status = coalesce(c.status, case i.status when 'offline' then 'idle' else i.status end),
        configuration = coalesce(c.configuration, i.configuration),
        resource_limits = coalesce(c.resource_limits, i.resource_limits),
        performance_thresholds = coalesce(c.performance_thresholds, i.performance_thresholds),
        last_activity = clock_timestamp(), updated_at = clock_timestamp()
      from jsonb_to_record(\(changes)) as c (status agent_status, configuration jsonb, resource_limits jsonb,
        performance_thresholds jsonb)
      where i.agent_id = \(agent) returning \(unsafeSQL: Self.json)
      """, as: caller
    ).first?.decode(String.self)
  }

  /// The agent as JSON text; nil when the caller sees none.
  func agent(_ agent: String, as caller: Principal) async throws -> String? {
    try await database.rows(
      "select \(unsafeSQL: Self.json) from agent_instances i where i.agent_id = \(agent)", as: caller
    ).first?.decode(String.self)
  }

  /// Agents, the last that was registered first.
  func list(_ query: ListQuery, as caller: Principal) async throws -> RunPage {
    let before = try query.id(of: "agents")
    let page: PostgresQuery = """
      select row_number() over (order by i.id desc) as place, i.id::text as key, \(unsafeSQL: Self.json) as json
      from agent_instances i
      where i.id < \(before)
        and (\(query.agentType)::agent_type is null or i.agent_type = \(query.agentType)::agent_type)
        and (\(query.status)::agent_status is null or i.status = \(query.status)::agent_status)
      order by i.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
  }
}
