package import SimplonCore

/// What a caller says to a question of a run, or of a call of which nobody knows whether it happened.
package struct RunResponse: Sendable {
  /// The step that asks.
  package let stepID: String
  /// The answer to a question of the tool `ask`; nil for a decision.
  let answer: JSON?
  /// As the database takes it: `{"answer" or "decision", "output"?, "message"?, "attempt"?}`.
  let json: JSON

  /// The most bytes of an answer, or of an output, as JSON.
  package static let answerLimit = 65_536
  /// The most bytes of a message.
  package static let messageLimit = 4096

  /// Reads a request body; the members `action` and `run_id` must be taken out before.
  ///
  /// - Throws: `request.invalid` and `request.unknown_field`; `request.too_large` for what is beyond its limit.
  package init(json: JSON) throws(SimplonError) {
    var fields = try Fields(json, "the request")
    guard let stepID = try fields.string("step_id") else { throw fields.wrong("step_id", "is missing") }
    self.stepID = stepID
    answer = fields.json("answer")
    let decision = try fields.string("decision")
    let output = fields.json("output")
    let message = try fields.string("message")
    let attempt = try fields.integer("attempt", in: 1...Int(Int32.max))
    try fields.finish()
    guard (answer == nil) != (decision == nil) else {
      throw SimplonError(.requestInvalid, "give exactly one of \"answer\" and \"decision\"")
    }
    if let decision, !(PersonResponse.decisions + PersonResponse.findings).contains(decision) {
      throw fields.wrong("decision", "must be approve or deny; or happened or again, where an effect is unknown")
    }
    guard output == nil || decision == "happened" else {
      throw fields.wrong("output", "goes with the decision happened alone")
    }
    for (name, size, limit) in [
      ("answer", answer?.utf8.count, Self.answerLimit), ("output", output?.utf8.count, Self.answerLimit),
      ("message", message?.utf8.count, Self.messageLimit),
    ] where size ?? 0 > limit {
      throw .tooLarge(name, size, limit: limit)
    }
    var members = [String: JSON]()
    members["answer"] = answer
    members["decision"] = decision.map(JSON.string)
    members["output"] = output
    members["message"] = message.map(JSON.string)
    members["attempt"] = attempt.map { .integer($0) }
    self.json = .object(members)
  }
}
