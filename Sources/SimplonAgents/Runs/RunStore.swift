import FoundationEssentials
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// The SQL of runs as callers see them.
///
/// Everything here runs as the caller, so row level security decides.
struct RunStore: Sendable {
  let client: PostgresClient
  let statementTimeout: Duration

  private func session(_ caller: Principal) -> PostgresSession {
    PostgresSession(caller, statementTimeout: statementTimeout)
  }

  func create(_ request: JSON, key: String?, hash: [UInt8]?, as caller: Principal) async throws -> RunReceipt {
    let engine = Int32(AgentSchema.engineVersion)
    let query: PostgresQuery =
      request["task"] == nil
      ? """
      select run_id, status, to_json(created_at) #>> '{}', is_new, null::text
      from simplon.create_run(\(request), \(key), \(hash), \(engine))
      """
      : """
      select run_id, status, to_json(created_at) #>> '{}', is_new, task_id
      from simplon.create_task(\(request), \(key), \(hash), \(engine))
      """
    let rows = try await client.query(query, as: session(caller))
    let (id, status, at, isNew, task) = try rows.one(from: "simplon.create_run").decode(
      UUID.self, String.self, String.self, Bool.self, String?.self)
    return RunReceipt(runID: id, status: status, createdAt: at, isNew: isNew, taskID: task)
  }

  func act(
    _ action: RunAction, on run: UUID, within budget: Budget?, as caller: Principal
  ) async throws -> String {
    let query: PostgresQuery =
      action == .resume
      ? "select simplon.resume_run(\(run), \(budget?.json))"
      : "select simplon.act_on_run(\(run), \(action.rawValue))"
    let rows = try await client.query(query, as: session(caller))
    return try rows.one(from: "simplon.act_on_run").decode(String.self)
  }

  /// Makes a run that begins where another one was; gives it and its status.
  func fork(_ run: UUID, _ request: JSON, as caller: Principal) async throws -> (run: UUID, status: String) {
    let rows = try await client.query(
      "select run_id, status from simplon.fork_run(\(run), \(request), \(Int32(AgentSchema.engineVersion)))",
      as: session(caller))
    return try rows.one(from: "simplon.fork_run").decode(UUID.self, String.self)
  }

  func snapshot(_ run: UUID, as caller: Principal) async throws -> (status: String, snapshot: UUID) {
    let rows = try await client.query(
      "select status, snapshot_id from simplon.snapshot_run(\(run))", as: session(caller))
    return try rows.one(from: "simplon.snapshot_run").decode(String.self, UUID.self)
  }

  func why(_ run: UUID, as caller: Principal) async throws -> String {
    let rows = try await client.query("select simplon.why_run(\(run))::text", as: session(caller))
    return try rows.one(from: "simplon.why_run").decode(String.self)
  }

  /// The run as JSON text, and a page of each list; nil when the caller has no such run.
  func status(
    of run: UUID, lists: [(RunIncludes.List, after: String?)], limit: Int, as caller: Principal
  ) async throws -> (run: String, pages: [RunPage])? {
    let main: PostgresQuery = """
      select json_build_object(
        'run_id', id, 'status', status, 'reason', reason, 'agent', agent, 'model', model, 'prompt', prompt,
        'plan', coalesce(plan, (
          select x -> 'plan' from agent_messages m cross join lateral jsonb_array_elements(m.content -> 'calls') x
          where m.run_id = r.id and m.attempt = r.attempt and m.role = 'assistant' and x ? 'plan'
          order by m.position desc limit 1)),
        'workflow', workflow, 'metadata', metadata, 'project_id', project_id, 'result', result, 'error', error,
        'budget', budget, 'cost', cost, 'attempt', attempt, 'parent_id', parent_id, 'forked_from', forked_from,
        'created_at', created_at, 'started_at', started_at, 'completed_at', completed_at)::text
      from agent_runs r where id = \(run)
      """
    let queries = try lists.map { RunPage.query(try query($0.0, of: run, after: $0.after, limit: limit + 1)) }
    let answers = try await client.transaction([main] + queries, as: session(caller))
    guard let row = answers.first?.first else { return nil }
    return (try row.decode(String.self), try answers.dropFirst().map { try RunPage($0, limit: limit) })
  }

  // Orders name the table: a bare name would be the output column, which is text.
  private func query(_ list: RunIncludes.List, of run: UUID, after: String?, limit: Int) throws -> PostgresQuery {
    switch list {
    case .steps:
      return """
        select s.position as place, s.position::text as key, json_build_object(
          'step_id', s.step_id, 'tool', s.tool, 'status', s.status, 'effect', s.effect,
          'input', coalesce(s.input, o.input), 'output', coalesce(s.output, o.output), 'error', s.error,
          'failures', s.failures, 'layer', s.layer, 'cost', s.cost,
          'response', s.response, 'expires_at', case when s.status = 'waiting' and s.effect = 'intent' then s.retry_at end,
          'started_at', s.started_at, 'completed_at', s.completed_at)::text as json
        from agent_runs r join agent_steps s on s.run_id = r.id and s.attempt = r.attempt
        left join agent_steps o on o.run_id = s.origin_run and o.attempt = s.origin_attempt and o.step_id = s.step_id
        where r.id = \(run) and r.plan is null and s.position > \(try number(after))
        union all
        select p.position as place, p.position::text as key, json_build_object(
          'step_id', p.step ->> 'id', 'tool', p.step ->> 'tool', 'status', coalesce(s.status, 'pending'),
          'effect', coalesce(s.effect, 'none'), 'input', coalesce(s.input, o.input),
          'output', coalesce(s.output, o.output), 'error', s.error,
          'failures', coalesce(s.failures, 0), 'layer', s.layer, 'cost', coalesce(s.cost, 0),
          'response', s.response, 'expires_at', case when s.status = 'waiting' and s.effect = 'intent' then s.retry_at end,
          'started_at', s.started_at, 'completed_at', s.completed_at)::text as json
        from agent_runs r
        cross join lateral jsonb_array_elements(
          case jsonb_typeof(r.plan -> 'steps') when 'array' then r.plan -> 'steps' end) with ordinality as p (step, position)
        left join agent_steps s on s.run_id = r.id and s.attempt = r.attempt and s.step_id = p.step ->> 'id'
        left join agent_steps o on o.run_id = s.origin_run and o.attempt = s.origin_attempt and o.step_id = s.step_id
        where r.id = \(run) and p.position > \(try number(after)) order by place limit \(limit)
        """
    case .logs:
      return """
        select seq as place, seq::text as key,
          json_build_object('seq', seq, 'at', at, 'level', level, 'kind', kind, 'payload', payload)::text as json
        from agent_task_logs l where run_id = \(run) and seq > \(try number(after)) order by l.seq limit \(limit)
        """
    case .messages:
      return """
        select m.position as place, m.position::text as key, json_build_object('position', m.position,
          'attempt', m.attempt, 'role', m.role, 'content', m.content, 'created_at', m.created_at)::text as json
        from agent_runs r join agent_messages m on m.run_id = r.id and m.attempt = r.attempt
        where r.id = \(run) and m.position > \(try number(after)) order by m.position limit \(limit)
        """
    case .artifacts:
      guard let id = after.map(UUID.init(uuidString:)) ?? Self.lowest else { throw Cursor.foreign }
      return """
        select a.id as place, a.id::text as key, json_build_object('id', a.id, 'path', a.path, 'size', a.size, 'mime', a.mime,
          'sha256', a.sha256, 'url', '/agent/artifacts/' || a.id, 'created_at', a.created_at)::text as json
        from agent_artifacts a join agent_runs r on r.id = a.run_id and r.attempt = a.attempt
        where a.run_id = \(run) and a.id > \(id) order by a.id limit \(limit)
        """
    case .snapshots:
      guard let id = after.map(UUID.init(uuidString:)) ?? Self.lowest else { throw Cursor.foreign }
      return """
        select e.id as place, e.id::text as key, json_build_object('id', e.id, 'attempt', e.attempt, 'status', e.status,
          'step_id', e.step_id, 'position', e.position, 'fork_id', e.fork_id, 'steps', e.steps, 'layers', e.layers,
          'created_at', e.created_at)::text as json
        from execution_snapshots e where e.run_id = \(run) and e.id > \(id) order by e.id limit \(limit)
        """
    }
  }

  private static let lowest = UUID(uuidString: "00000000-0000-0000-0000-000000000000")

  private func number(_ key: String?) throws -> Int64 {
    guard let key else { return 0 }
    guard let number = Int64(key) else { throw Cursor.foreign }
    return number
  }

  func list(before: UUID?, limit: Int, as caller: Principal) async throws -> RunPage {
    let highest = UUID(uuidString: "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")
    let query: PostgresQuery = """
      select row_number() over (order by r.id desc) as place, id::text as key, json_build_object(
        'run_id', id, 'status', status, 'reason', reason, 'agent', agent, 'prompt', left(prompt, 200),
        'project_id', project_id, 'metadata', metadata, 'cost', cost, 'attempt', attempt,
        'created_at', created_at, 'started_at', started_at, 'completed_at', completed_at)::text as json
      from agent_runs r where id < \(before ?? highest) order by r.id desc limit \(limit + 1)
      """
    return try RunPage(await client.query(RunPage.query(query), as: session(caller)), limit: limit)
  }

  /// Events after a number, oldest first, up to 8 MiB of them; nil when the caller has no such run.
  func logs(
    of run: UUID, after: Int64, limit: Int, levels: [String], as caller: Principal
  ) async throws -> [StoredEvent]? {
    let answers = try await client.transaction(
      [
        "select 1 from agent_runs where id = \(run)",
        """
        select seq, at, level, kind, payload from (
          select seq, to_json(at) #>> '{}' as at, level, kind, payload,
            sum(octet_length(payload)) over (order by seq) as bytes, row_number() over (order by seq) as number
          from (
            select seq, at, level, kind, payload::text from agent_task_logs
            where run_id = \(run) and seq > \(after) and level = any(\(levels)) order by seq limit \(limit)) l) p
        where number = 1 or bytes <= 8388608 order by seq
        """,
      ], as: session(caller))
    guard answers.first?.first != nil else { return nil }
    return try (answers.last.map { Array($0) } ?? []).map(StoredEvent.init(row:))
  }

  func artifact(_ id: UUID, as caller: Principal) async throws -> (
    user: UUID?, path: String, mime: String, size: Int64, sha256: String
  )? {
    let rows = try await client.query(
      "select user_id, path, mime, size, sha256 from agent_artifacts where id = \(id)", as: session(caller))
    guard let row = rows.first else { return nil }
    let (user, path, mime, size, sha256) = try row.decode(
      UUID?.self, String.self, String.self, Int64.self, String.self)
    return (user, path, mime, size, sha256)
  }

  func isVisible(_ run: UUID, as caller: Principal) async throws -> Bool {
    try await !client.query("select 1 from agent_runs where id = \(run)", as: session(caller)).isEmpty
  }
}

extension StoredEvent {
  init(row: PostgresRow) throws(SimplonError) {
    (seq, at, level, kind, payload) = try row.decode(
      Int64.self, String.self, String.self, String.self, String.self)
  }
}
