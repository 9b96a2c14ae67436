import SimplonCore

extension Schema {
  /// The statuses of a run.
  static let runStatuses = ["pending", "queued", "running", "waiting", "completed", "failed", "cancelled", "retrying"]

  /// What the API answers with, by name.
  static let answers: [(String, JSON)] = [
    ("Error", error(more: [])),
    ("FunctionError", error(more: [("error", string)])),
    ("RunReceipt", object([("run_id", uuid), ("status", words(runStatuses)), ("created_at", time)])),
    (
      "RunAction",
      object([("run_id", uuid), ("status", words(runStatuses)), ("snapshot_id", uuid)], optional: ["snapshot_id"])
    ),
    ("Run", run),
    ("RunSummary", object(summary)),
    ("RunList", page("runs", of: reference("RunSummary"))),
    ("Step", step),
    ("Message", message),
    ("Artifact", artifact),
    ("Snapshot", snapshot),
    ("LogEvent", logEvent),
    ("LogPage", object([("logs", array(of: reference("LogEvent"))), ("next_after", integer)])),
    ("Ticket", object([("ticket", string), ("expires_at", time)])),
    ("Reason", object([("code", string), ("message", string), ("details", any)], optional: ["details"])),
    (
      "Health",
      object([("status", words(["healthy"])), ("version", string), ("service", words(["agent-api"]))], closed: true)
    ),
    ("Readiness", object([("ready", boolean), ("details", any)])),
    (
      "SupabaseHealth",
      object([
        ("status", words(["healthy", "unhealthy"])), ("response_time_ms", ["type": "number", "minimum": 0]),
        ("tables_accessible", ["type": "object", "additionalProperties": boolean]), ("realtime_enabled", boolean),
      ])
    ),
    ("Plan", plan),
  ]

  private static func error(more: [(String, JSON)]) -> JSON {
    object([("code", string), ("message", string), ("details", any), ("hint", optional(string))] + more)
  }

  /// What the list of runs shows of each; of a long prompt the beginning.
  private static let summary: [(String, JSON)] = [
    ("run_id", uuid), ("status", words(runStatuses)), ("reason", optional(reference("Reason"))),
    ("agent", optional(string)), ("prompt", optional(string)), ("project_id", optional(uuid)), ("metadata", anyObject),
    ("cost", number), ("attempt", integer), ("created_at", time), ("started_at", optional(time)),
    ("completed_at", optional(time)),
  ]

  private static let run = object(
    summary + [
      ("model", optional(string)), ("budget", optional(reference("Budget"))), ("plan", optional(anyObject)),
      ("result", any), ("error", any),
      ("steps", page("items", of: reference("Step"))), ("logs", page("items", of: reference("LogEvent"))),
      ("messages", page("items", of: reference("Message"))), ("artifacts", page("items", of: reference("Artifact"))),
      ("snapshots", page("items", of: reference("Snapshot"))), ("parent_id", optional(uuid)),
      ("forked_from", optional(uuid)),
    ], optional: ["steps", "logs", "messages", "artifacts", "snapshots"])

  private static let step = object([
    ("step_id", string), ("tool", string),
    ("status", words(["pending", "running", "waiting", "completed", "failed", "skipped", "cancelled"])),
    ("effect", words(["none", "intent", "dispatched", "settled", "unknown"])), ("input", any), ("output", any),
    ("error", any), ("failures", integer), ("cost", number), ("response", any), ("expires_at", optional(time)),
    ("started_at", optional(time)), ("completed_at", optional(time)),
  ])

  private static let message = object([
    ("position", integer), ("attempt", integer), ("role", string), ("content", any), ("created_at", time),
  ])

  private static let artifact = object([
    ("id", uuid), ("path", string), ("size", integer), ("mime", string), ("sha256", string), ("url", string),
    ("created_at", time),
  ])

  private static let snapshot = object([
    ("id", uuid), ("attempt", integer), ("status", words(runStatuses)), ("step_id", optional(string)),
    ("position", integer), ("fork_id", optional(uuid)), ("steps", anyObject), ("layers", anyObject),
    ("created_at", time),
  ])

  private static let logEvent = object([
    ("seq", ["type": "integer", "minimum": 1]), ("at", time), ("level", string),
    ("kind", words(["log", "step", "status", "message", "artifact", "done"])), ("payload", any),
  ])

  private static let plan = object(
    [
      ("version", integer), ("name", string),
      (
        "steps",
        array(
          upTo: 1000,
          of: object(
            [
              ("id", ["type": "string", "pattern": "^[a-z][a-z0-9_-]*$"]), ("tool", string),
              ("needs", array(of: string)),
              ("when", string), ("with", anyObject), ("timeout", string),
              ("retry", object([("max", integer), ("backoff", string)], optional: ["max", "backoff"])),
              ("continue_on_error", boolean), ("approval", boolean),
            ], optional: ["needs", "when", "with", "timeout", "retry", "continue_on_error", "approval"]))
      ),
      ("output", any), ("artifacts", array(of: string)),
    ], optional: ["version", "name", "output", "artifacts"])
}
