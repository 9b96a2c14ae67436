import Logging
import Metrics
import SimplonCore
import SimplonPostgres

extension Upkeep {
  /// A look at the agents and at the system; every worker takes one each minute, and one of them does the work for all.
  func watch() async throws {
    try await recordLoad()
    if try await hasTurn(at: "agents", every: .seconds(55)) { try await markSilentAgents() }
    if try await hasTurn(at: "metrics", every: .seconds(290)) { try await rollUpMetrics() }
    if try await hasTurn(at: "system_health", every: .seconds(290)) { try await recordHealth() }
  }

  /// Marks as offline the agents that have not been heard of for too long, those for which a run of ours is at work apart.
  ///
  /// It waits for nobody: who has a hand on an agent's row has just heard of it.
  func markSilentAgents() async throws {
    let rows = try await client.query(
      """
      update agent_instances i set status = 'offline', updated_at = clock_timestamp()
      where i.id in (
        select s.id from agent_instances s
        where s.last_activity < now() - \(configuration.agentTimeout.milliseconds) * interval '1 ms'
          and s.status not in ('offline', 'maintenance')
          and not exists (
            select from agent_executions e
            where e.agent_instance_id = s.id and e.status = 'running' and e.run_id is not null)
        for no key update skip locked)
      returning i.agent_id
      """)
    guard !rows.isEmpty else { return }
    Counter(label: "simplon_agents_lost_total").increment(by: rows.count)
    logger.notice("agents have gone silent", metadata: ["agents": "\(rows.count)"])
  }

  /// Computes the metrics of agents from what has ended since the last time.
  func rollUpMetrics() async throws {
    // A worker that was away for months comes back to no place for this one's.
    _ = try await client.query("select simplon.make_month_partitions('agent_metrics', 1)")
    _ = try await client.query("select simplon.roll_up_metrics()")
  }

  /// Writes down how the engine is.
  func recordHealth() async throws {
    let found = await Readiness.probe(engine: client, sandbox: sandbox)
    // A run that can be taken and is not, for a minute: there are too few workers, or they cannot.
    let isSlow = (found.details["queue"]?["oldest_seconds"]?.double ?? 0) > 60
    // What keeps dead rows, or the log, from being cleared away for so long fills a disk in the end.
    let oldest = found.details["oldest_transaction_seconds"]?.double ?? 0
    let held = found.details["wal_held_bytes"]?.double ?? 0
    let isHeld = oldest > 600 || held > 1_073_741_824
    let status = !found.ready ? "unhealthy" : isSlow || isHeld || sandbox?.isUsable == false ? "degraded" : "healthy"
    _ = try await client.query(
      "insert into system_health (component, status, reading) values ('engine', \(status), \(found.details))")
  }

  /// Archives and deletes what is past the time for which it is to be kept.
  func applyRetention() async throws {
    if let age = configuration.metricRetention, try await hasTurn(at: "archive_metrics", every: .seconds(3600)) {
      _ = try await client.query("select simplon.archive_metrics(\(age.milliseconds) * interval '1 ms')")
      _ = try await client.query(
        "delete from system_health where created_at < now() - \(age.milliseconds) * interval '1 ms'")
    }
    if let age = configuration.auditRetention {
      _ = try await client.query(
        "select simplon.drop_month_partitions('observability_events', \(age.milliseconds) * interval '1 ms')")
    }
  }
}
