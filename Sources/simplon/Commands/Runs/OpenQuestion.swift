import SimplonCore

/// What a run waits for a person to say, out of its steps: a question, or whether a call happened.
struct OpenQuestion {
  let stepID: String
  private let step: JSON

  /// Nil when the step asks nothing now.
  init?(_ step: JSON) {
    let isAsked = step["effect"] == "intent" && step["response"]?.isNull ?? true
    guard step["status"] == "waiting", isAsked || step["effect"] == "unknown", let id = step["step_id"]?.string else {
      return nil
    }
    stepID = id
    self.step = step
  }

  /// Whether the answer has to fit a schema.
  var hasSchema: Bool { step["tool"] == "ask" && step["input"]?["schema"] != nil }

  /// The lines that show it.
  func lines(run: String) -> [String] {
    if step["effect"] == "unknown" {
      return [
        "nobody knows whether it happened: \(step["tool"]?.string ?? "") with \(step["input"]?.text ?? "{}")",
        "respond: simplon runs respond \(run) --step \(stepID) --happened, or --again",
      ]
    }
    let isAnswer = step["tool"] == "ask"
    let question =
      isAnswer
      ? step["input"]?["question"]?.string ?? ""
      : "may it call \(step["tool"]?.string ?? "") with \(step["input"]?.text ?? "{}")?"
    let choices = (step["input"]?["choices"]?.array ?? []).compactMap(\.string)
    var lines = ["asks: \(question)"]
    if isAnswer, !choices.isEmpty { lines.append("choices: \(choices.joined(separator: ", "))") }
    if let until = step["expires_at"]?.string { lines.append("until \(until)") }
    lines.append(
      "respond: simplon runs respond \(run) --step \(stepID) \(isAnswer ? "--answer TEXT" : "--approve, or --deny")")
    return lines
  }

  /// Every open question of a run.
  static func all(of run: String, _ client: ServerClient) async throws -> [OpenQuestion] {
    let found = try await client.run(run, including: ["steps"])
    return try await client.all("steps", of: found).compactMap(OpenQuestion.init)
  }
}
