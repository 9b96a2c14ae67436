package import SimplonCore

/// What a run may cost and how far it may go, as its caller wants it.
package struct Budget: Sendable, Hashable {
  /// The members as they are stored, and nothing but them.
  package let json: JSON

  /// Reads a `budget`: `{"max_cost", "max_cost_per_call", "max_questions", "max_steps", "deadline", "on_limit"}`.
  ///
  /// Every member may be absent.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`.
  package init(json: JSON) throws(SimplonError) {
    var fields = try Fields(json, "the budget")
    var members = [String: JSON]()
    for name in ["max_cost", "max_cost_per_call"] {
      guard let value = fields.json(name) else { continue }
      guard case .number(let text) = value, USD.isAmount(text) else {
        throw fields.wrong(name, "must be an amount of US dollars such as 2.50")
      }
      members[name] = value
    }
    let limits = Supervisor.Limits()
    for (name, most) in [("max_questions", limits.questions), ("max_steps", limits.steps)] {
      members[name] = try fields.integer(name, in: 1...most).map { JSON.integer($0) }
    }
    if let text = try fields.string("deadline") {
      guard RFC3339.microseconds(text) != nil else {
        throw fields.wrong("deadline", "must be a time such as 2026-11-20T23:16:00Z")
      }
      members["deadline"] = .string(text)
    }
    if let text = try fields.string("on_limit") {
      guard ["fail", "wait"].contains(text) else { throw fields.wrong("on_limit", "must be \"fail\" or \"wait\"") }
      members["on_limit"] = .string(text)
    }
    try fields.finish()
    self.json = .object(members)
  }

  /// The most steps, questions among them.
  var maximumSteps: Int? { json["max_steps"]?.integer }
}
