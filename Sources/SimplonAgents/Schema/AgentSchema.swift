package import SimplonPostgres

/// The migrations of the agents' database, oldest first, compiled into the binary.
///
/// The files lie in `Migrations/` (plain SQL, applicable by other tools too) and `Undo/`. A test compares this list with
/// the folders. (The package manager's embedding drops the first digit of a name that begins with one.)
package enum AgentSchema {
  /// All of them, in the order in which they apply.
  package static let migrations: [Migration] = [
    migration(
      "20260113000000", "simplon", PackageResources._0260113000000_simplon_sql,
      PackageResources._0260113000000_simplon_undo_sql),
    migration(
      "20260113000001", "agent_runs", PackageResources._0260113000001_agent_runs_sql,
      PackageResources._0260113000001_agent_runs_undo_sql),
    migration(
      "20260113000002", "agent_steps", PackageResources._0260113000002_agent_steps_sql,
      PackageResources._0260113000002_agent_steps_undo_sql),
    migration(
      "20260113000003", "agent_messages", PackageResources._0260113000003_agent_messages_sql,
      PackageResources._0260113000003_agent_messages_undo_sql),
    migration(
      "20260113000004", "agent_artifacts", PackageResources._0260113000004_agent_artifacts_sql,
      PackageResources._0260113000004_agent_artifacts_undo_sql),
    migration(
      "20260113000005", "agent_run_connectors", PackageResources._0260113000005_agent_run_connectors_sql,
      PackageResources._0260113000005_agent_run_connectors_undo_sql),
    migration(
      "20260113000006", "agent_task_queue", PackageResources._0260113000006_agent_task_queue_sql,
      PackageResources._0260113000006_agent_task_queue_undo_sql),
    migration(
      "20260113000007", "agent_task_logs", PackageResources._0260113000007_agent_task_logs_sql,
      PackageResources._0260113000007_agent_task_logs_undo_sql),
    migration(
      "20260113000008", "agent_instances", PackageResources._0260113000008_agent_instances_sql,
      PackageResources._0260113000008_agent_instances_undo_sql),
    migration(
      "20260113000009", "agent_executions", PackageResources._0260113000009_agent_executions_sql,
      PackageResources._0260113000009_agent_executions_undo_sql),
    migration(
      "20260113000010", "system_health", PackageResources._0260113000010_system_health_sql,
      PackageResources._0260113000010_system_health_undo_sql),
    migration(
      "20260113000011", "caller_functions", PackageResources._0260113000011_caller_functions_sql,
      PackageResources._0260113000011_caller_functions_undo_sql),
    migration(
      "20260113000012", "worker_functions", PackageResources._0260113000012_worker_functions_sql,
      PackageResources._0260113000012_worker_functions_undo_sql),
    migration(
      "20260113000013", "realtime", PackageResources._0260113000013_realtime_sql,
      PackageResources._0260113000013_realtime_undo_sql),
    migration(
      "20260113000020", "agent_metrics", PackageResources._0260113000020_agent_metrics_sql,
      PackageResources._0260113000020_agent_metrics_undo_sql),
    migration(
      "20260113000021", "observability_events", PackageResources._0260113000021_observability_events_sql,
      PackageResources._0260113000021_observability_events_undo_sql),
    migration(
      "20260113000022", "registry_functions", PackageResources._0260113000022_registry_functions_sql,
      PackageResources._0260113000022_registry_functions_undo_sql),
    migration(
      "20260113000040", "responses", PackageResources._0260113000040_responses_sql,
      PackageResources._0260113000040_responses_undo_sql),
    migration(
      "20260113000045", "child_runs", PackageResources._0260113000045_child_runs_sql,
      PackageResources._0260113000045_child_runs_undo_sql),
    migration(
      "20260113000046", "execution_snapshots", PackageResources._0260113000046_execution_snapshots_sql,
      PackageResources._0260113000046_execution_snapshots_undo_sql),
    migration(
      "20260113000047", "forks", PackageResources._0260113000047_forks_sql,
      PackageResources._0260113000047_forks_undo_sql),
    migration(
      "20260113000050", "workflows", PackageResources._0260113000050_workflows_sql,
      PackageResources._0260113000050_workflows_undo_sql),
    migration(
      "20260113000051", "agent_schedules", PackageResources._0260113000051_agent_schedules_sql,
      PackageResources._0260113000051_agent_schedules_undo_sql),
    migration(
      "20260113000052", "agent_webhooks", PackageResources._0260113000052_agent_webhooks_sql,
      PackageResources._0260113000052_agent_webhooks_undo_sql),
    migration(
      "20260113000056", "tasks", PackageResources._0260113000056_tasks_sql,
      PackageResources._0260113000056_tasks_undo_sql),
    migration(
      "20260113000057", "agent_memory", PackageResources._0260113000057_agent_memory_sql,
      PackageResources._0260113000057_agent_memory_undo_sql),
    migration(
      "20260113000058", "vectors", PackageResources._0260113000058_vectors_sql,
      PackageResources._0260113000058_vectors_undo_sql),
    migration(
      "20260113000059", "evaluations", PackageResources._0260113000059_evaluations_sql,
      PackageResources._0260113000059_evaluations_undo_sql),
    migration(
      "20260113000065", "model_prices", PackageResources._0260113000065_model_prices_sql,
      PackageResources._0260113000065_model_prices_undo_sql),
    migration(
      "20260113000066", "agent_model_calls", PackageResources._0260113000066_agent_model_calls_sql,
      PackageResources._0260113000066_agent_model_calls_undo_sql),
    migration(
      "20260113000067", "money_functions", PackageResources._0260113000067_money_functions_sql,
      PackageResources._0260113000067_money_functions_undo_sql),
    migration(
      "20260113000070", "fair_claims", PackageResources._0260113000070_fair_claims_sql,
      PackageResources._0260113000070_fair_claims_undo_sql),
  ]

  /// The version of the engine in this binary: a run made by a newer one is left to newer workers.
  package static let engineVersion = 1

  private static func migration(_ version: String, _ name: String, _ sql: [UInt8], _ undo: [UInt8]) -> Migration {
    Migration(
      version: version, name: name, sql: String(decoding: sql, as: UTF8.self),
      undo: String(decoding: undo, as: UTF8.self))
  }
}
