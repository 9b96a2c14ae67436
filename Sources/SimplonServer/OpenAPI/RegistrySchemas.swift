import SimplonAgents
import SimplonCore

extension Schema {
  /// What the registry answers with, by name.
  static let registry: [(String, JSON)] = [
    ("Agent", agent),
    ("AgentList", page("agents", of: reference("Agent"))),
    (
      "TaskReceipt",
      object([
        ("task_id", string), ("agent_id", string), ("run_id", uuid), ("status", words(runStatuses)),
        ("created_at", time),
      ])
    ),
    ("Execution", execution),
    ("ExecutionList", page("executions", of: reference("Execution"))),
    ("Metric", metric),
    ("MetricList", page("metrics", of: reference("Metric"))),
    (
      "Reading",
      object([
        ("id", uuid), ("component", string), ("status", words(AgentWords.health)), ("reading", anyObject),
        ("created_at", time),
      ])
    ),
    ("ReadingList", page("readings", of: reference("Reading"))),
  ]

  private static let agent = object([
    ("id", uuid), ("agent_id", string), ("agent_type", words(AgentWords.types)),
    ("status", words(AgentWords.statuses)), ("configuration", anyObject), ("resource_limits", anyObject),
    ("performance_thresholds", anyObject), ("current_task_id", optional(string)), ("last_activity", time),
    ("total_tasks_completed", integer), ("total_tasks_failed", integer), ("user_id", optional(uuid)),
    ("created_at", time), ("updated_at", time),
  ])

  private static let execution = object(
    [
      ("task_id", string), ("agent_id", optional(string)), ("agent_type", words(AgentWords.types)),
      ("task_type", string), ("status", words(AgentWords.taskStatuses)), ("input_data", any), ("output_data", any),
      ("error", any), ("quality_score", optional(number)), ("execution_time_seconds", optional(number)),
      ("run_id", optional(uuid)), ("session_id", optional(string)), ("user_id", optional(uuid)), ("created_at", time),
      ("started_at", optional(time)), ("completed_at", optional(time)),
    ], optional: ["input_data", "output_data", "error"])

  private static let metric = object([
    ("id", uuid), ("agent_id", string), ("agent_type", words(AgentWords.types)), ("period_start", time),
    ("period_end", time), ("tasks_completed", integer), ("tasks_failed", integer), ("success_rate", number),
    ("average_execution_time", number), ("average_quality_score", optional(number)), ("reported", boolean),
    ("created_at", time),
  ])
}
