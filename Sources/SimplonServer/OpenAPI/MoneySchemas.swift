import SimplonCore

extension Schema {
  /// What is said about money, by name.
  static let money: [(String, JSON)] = [
    ("Budget", budget),
    ("Usage", usage),
    ("UsageList", page("usage", of: reference("Usage"))),
  ]

  private static let budget = object(
    [
      ("max_cost", amount), ("max_cost_per_call", amount),
      ("max_questions", ["type": "integer", "minimum": 1, "maximum": 200]),
      ("max_steps", ["type": "integer", "minimum": 1, "maximum": 1000]), ("deadline", time),
      ("on_limit", words(["fail", "wait"])),
    ], optional: ["max_cost", "max_cost_per_call", "max_questions", "max_steps", "deadline", "on_limit"], closed: true)

  private static let usage = object([
    ("day", ["type": "string", "format": "date"]), ("user_id", optional(uuid)), ("model", string), ("calls", integer),
    ("input", integer), ("cache_read", integer), ("cache_write", integer), ("cache_write_hour", integer),
    ("output", integer), ("cost", number), ("reserved", number), ("unpriced_calls", integer),
  ])

  /// US dollars.
  private static let amount: JSON = ["type": "number", "minimum": 0]
}
