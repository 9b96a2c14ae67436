package import SimplonCore
package import SimplonPostgres

/// Whether the service can work now, with what a person or a probe wants to know about it.
package struct Readiness: Sendable {
  /// Whether requests can be served.
  package let ready: Bool
  /// `database`, `tables_accessible`, `events_have_a_place`, `queue` (counted to 10,000), `workers`, `sandboxes` (how many
  /// of them have which level), `oldest_transaction_seconds` (of anybody's in this database), `sandbox` (this process's, where
  /// it works), `realtime_enabled`; `dead_rows` of the busiest tables, `wal_bytes` (null where it may not be seen) and
  /// `wal_held_bytes` (by the slot that lags most).
  package let details: JSON

  /// Makes an answer.
  package init(ready: Bool, details: JSON) {
    self.ready = ready
    self.details = details
  }

  /// Asks the database; ready are we when it answers in time and new runs find everything that they need there.
  ///
  /// - Parameters:
  ///   - engine: a client whose sessions are `service_role`.
  ///   - sandbox: the level found at start; nil in a process without a worker.
  ///   - limit: how long it may take, the wait for a connection included.
  /// - Returns: the answer.
  package static func probe(
    engine: PostgresClient, sandbox: SandboxLevel?, within limit: Duration = .seconds(2)
  ) async -> Readiness {
    var details: [String: JSON] = ["realtime_enabled": false, "sandbox": sandbox?.json ?? .null]
    do {
      let found = try await withThrowingTaskGroup(of: JSON.self) { group in
        group.addTask { try await ask(engine, limit) }
        group.addTask {
          try await Task.sleep(for: limit)
          throw SimplonError(.databaseTimeout, "the database did not answer in \(limit.short)")
        }
        defer { group.cancelAll() }
        return try await group.next()
      }
      details.merge(found?.object ?? [:]) { _, new in new }
      details["database"] = "ok"
      let isComplete = details["tables_accessible"]?.object?.values.allSatisfy { $0 == true } == true
      return Readiness(ready: isComplete && details["events_have_a_place"] == true, details: .object(details))
    } catch {
      details["database"] = .string(SimplonError(wrapping: error).code.rawValue)
      return Readiness(ready: false, details: .object(details))
    }
  }

  private static func ask(_ engine: PostgresClient, _ limit: Duration) async throws -> JSON {
    let rows = try await engine.query(
      """
      with ready as materialized (
        select ready_at from agent_task_queue where ready_at <= now() order by priority desc, ready_at limit 10000)
      select (json_build_object(
        'queue', (select json_build_object(
          'ready', count(*), 'oldest_seconds', round(extract(epoch from now() - min(ready_at))::numeric, 3)) from ready),
        'workers', (select count(*) from simplon.workers where alive_until > now()),
        'sandboxes', (select coalesce(json_object_agg(sandbox, count), '{}') from (
          select sandbox, count(*) from simplon.workers where alive_until > now() group by sandbox) as levels),
        'oldest_transaction_seconds', simplon.oldest_transaction_seconds(),
        'events_have_a_place', simplon.has_log_partition(simplon.uuid_v7()),
        'tables_accessible', (select json_object_agg(name, coalesce(has_table_privilege(to_regclass(name), 'select'), false))
          from unnest(array['agent_instances', 'agent_executions', 'agent_runs', 'agent_steps', 'agent_messages',
            'agent_artifacts', 'agent_task_queue', 'agent_task_logs', 'agent_metrics', 'system_health',
            'observability_events']) as name))::jsonb || simplon.watch_database())::text
      """, as: PostgresSession(statementTimeout: limit))
    return try rows.first.map { try JSON(parsing: try $0.decode(String.self)) } ?? .null
  }
}
