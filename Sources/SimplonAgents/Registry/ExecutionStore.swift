import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of executions, all of it as the caller.
struct ExecutionStore: Sendable {
  let database: CallerDatabase

  private static let json = """
    json_build_object('task_id', e.task_id, 'agent_id', i.agent_id, 'agent_type', e.agent_type,
      'task_type', e.task_type, 'status', e.status, 'input_data', e.input_data, 'output_data', e.output_data,
      'error', e.error, 'quality_score', e.quality_score, 'execution_time_seconds', e.execution_time_seconds,
      'run_id', e.run_id, 'session_id', e.session_id, 'user_id', e.user_id, 'created_at', e.created_at,
      'started_at', e.started_at, 'completed_at', e.completed_at)::text
    """

  /// What lists show: the rest is large, and read one by one.
  private static let line = """
    json_build_object('task_id', e.task_id, 'agent_id', i.agent_id, 'agent_type', e.agent_type,
      'task_type', e.task_type, 'status', e.status, 'quality_score', e.quality_score,
      'execution_time_seconds', e.execution_time_seconds, 'run_id', e.run_id, 'session_id', e.session_id,
      'user_id', e.user_id, 'created_at', e.created_at, 'started_at', e.started_at, 'completed_at', e.completed_at)::text
    """

  /// Stores a report; gives the execution as JSON text, and whether it is new.
  func report(_ report: ExecutionReport, as caller: Principal) async throws -> (execution: String, isNew: Bool) {
    let answers = try await database.all(
      ["select simplon.report_execution(\(report.json))", one(report.taskID)], as: caller)
    guard let isNew = try answers.first?.first?.decode(Bool.self),
      let execution = try answers.last?.first?.decode(String.self)
    else { throw SimplonError.noRow(from: "simplon.report_execution") }
    return (execution, isNew)
  }

  /// Stores what has become of an execution; gives it as JSON text.
  func change(_ task: String, _ changes: JSON, as caller: Principal) async throws -> String {
    let rows = try await database.rows(
      "select simplon.change_execution(\(task), \(changes))", one(task), as: caller)
    return try rows.one(from: "simplon.change_execution").decode(String.self)
  }

  /// The execution as JSON text; nil when the caller has none such.
  func execution(_ task: String, as caller: Principal) async throws -> String? {
    try await database.rows(one(task), as: caller).first?.decode(String.self)
  }

  private func one(_ task: String) -> PostgresQuery {
    """
    select \(unsafeSQL: Self.json) from agent_executions e left join agent_instances i on i.id = e.agent_instance_id
    where e.task_id = \(task)
    """
  }

  /// Executions, the newest first; nil when they shall be of one agent and the caller sees no such agent.
  func list(_ query: ListQuery, as caller: Principal) async throws -> RunPage? {
    let before = try query.id(of: "executions")
    // What is that much older by its id was made before, too; ids tell the time to the millisecond.
    let page: PostgresQuery = """
      select row_number() over (order by e.id desc) as place, e.id::text as key, \(unsafeSQL: Self.line) as json
      from agent_executions e left join agent_instances i on i.id = e.agent_instance_id
      cross join (select coalesce(greatest(\(query.start), now() - \(query.hours) * interval '1 hour'), 'epoch') as at)
        as since
      where e.id < \(before) and e.created_at >= since.at
        and e.id >= simplon.uuid_v7_floor(greatest(since.at - interval '1 second', 'epoch'))
        and (\(query.agentID)::text is null or i.agent_id = \(query.agentID)::text)
        and (\(query.agentType)::agent_type is null or e.agent_type = \(query.agentType)::agent_type)
        and (\(query.taskType)::text is null or e.task_type = \(query.taskType)::text)
        and (\(query.status)::task_status is null or e.status = \(query.status)::task_status)
      order by e.id desc limit \(query.limit + 1)
      """
    let answers = try await database.all(
      [
        "select from agent_instances where \(query.agentID)::text is null or agent_id = \(query.agentID)::text limit 1",
        RunPage.query(page),
      ], as: caller)
    guard query.agentID == nil || answers.first?.isEmpty == false, let rows = answers.last else { return nil }
    return try RunPage(rows, limit: query.limit)
  }
}
