import SimplonAgents
import SimplonCore

extension Schema {
  /// What the routes of workflows, schedules and webhooks answer with, by name.
  static let automation: [(String, JSON)] = [
    ("Workflow", object(workflow + [("plan", reference("Plan"))])),
    ("WorkflowList", page("workflows", of: object(workflow))),
    ("Schedule", schedule),
    ("ScheduleList", page("schedules", of: reference("Schedule"))),
    ("Webhook", webhook),
    ("WebhookList", page("webhooks", of: reference("Webhook"))),
    ("DeliveryList", page("deliveries", of: delivery)),
    ("Redelivery", object([("delivery_id", uuid), ("status", words(["pending"]))])),
  ]

  private static let workflow: [(String, JSON)] = [
    ("name", string), ("description", optional(string)), ("version", integer), ("inputs", anyObject),
    ("created_at", time), ("updated_at", time),
  ]

  private static let schedule = object([
    ("name", string), ("cron", optional(string)), ("every", optional(string)), ("time_zone", string),
    ("run", anyObject), ("missed", words(ScheduleRequest.missedPolicies)),
    ("overlap", words(ScheduleRequest.overlapPolicies)), ("starts_at", optional(time)), ("ends_at", optional(time)),
    ("enabled", boolean), ("next_due", optional(time)), ("last_due", optional(time)), ("last_run", optional(uuid)),
    ("last_error", any), ("created_at", time), ("updated_at", time),
  ])

  private static let webhook = object(
    [
      ("webhook_id", uuid), ("url", string), ("events", array(of: words(WebhookRequest.events))),
      ("description", optional(string)), ("enabled", boolean), ("failures", integer), ("secret", string),
      ("created_at", time), ("updated_at", time),
    ], optional: ["secret"])

  private static let delivery = object([
    ("delivery_id", uuid), ("event", words(WebhookRequest.events)), ("run_id", optional(uuid)), ("payload", anyObject),
    ("status", words(["pending", "delivered", "failed"])), ("attempts", integer),
    ("next_attempt_at", optional(time)), ("response_status", optional(integer)), ("error", optional(string)),
    ("created_at", time), ("delivered_at", optional(time)),
  ])
}
