package import SimplonCore
package import SimplonPostgres

/// Whether the service can work now, with what a person or a probe wants to know about it.
package struct Readiness: Sendable {
  /// Whether requests can be served.
  package let ready: Bool
  /// `database`, `tables_accessible`, `queue`, `workers`, `oldest_transaction_seconds`, `sandbox`, `realtime_enabled`.
  package let details: JSON

  /// Makes an answer.
  package init(ready: Bool, details: JSON) {
    self.ready = ready
    self.details = details
  }

  /// Asks the database; an answer that does not come within two seconds is "not ready".
  ///
  /// - Parameters:
  ///   - engine: a client whose sessions are `service_role`.
  ///   - sandbox: the level found at start; nil in a process without a worker.
  /// - Returns: the answer.
  package static func probe(engine: PostgresClient, sandbox: SandboxLevel?) async -> Readiness {
    var details: [String: JSON] = ["realtime_enabled": false, "sandbox": sandbox?.json ?? .null]
    do {
      let rows = try await engine.query(
        """
        select json_build_object(
          'queue', json_build_object(
            'ready', (select count(*) from agent_task_queue where ready_at <= now()),
            'oldest_seconds', (select round(extract(epoch from now() - min(ready_at))::numeric, 3) from agent_task_queue
              where ready_at <= now())),
          'workers', (select count(*) from simplon.workers where alive_until > now()),
          'oldest_transaction_seconds', (select round(extract(epoch from now() - min(xact_start))::numeric, 3)
            from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()),
          'tables_accessible', (select json_object_agg(name, coalesce(has_table_privilege(to_regclass(name), 'select'), false))
            from unnest(array['agent_instances', 'agent_executions', 'agent_runs', 'agent_steps', 'agent_messages',
              'agent_artifacts', 'agent_task_queue', 'agent_task_logs', 'system_health']) as name))::text
        """, as: PostgresSession(statementTimeout: .seconds(2)))
      if let row = rows.first, let found = try JSON(parsing: try row.decode(String.self)).object {
        details.merge(found) { _, new in new }
      }
      details["database"] = "ok"
      return Readiness(ready: true, details: .object(details))
    } catch {
      details["database"] = .string(SimplonError(wrapping: error).code.rawValue)
      return Readiness(ready: false, details: .object(details))
    }
  }
}
