import SimplonCore

/// What a person said to a question of a run, or that nobody did in time.
struct PersonResponse: Sendable, Hashable {
  /// What may be said of a call.
  static let decisions = ["approve", "deny"]
  /// What may be said of a call of which nobody knows whether it happened.
  static let findings = ["happened", "again"]

  /// As it is recorded: `{"decision": "approve" | "deny" | "expired" | "happened" | "again"}` or `{"answer"}`;
  /// `message`, `by`, `role`, `at`.
  let json: JSON

  /// Whether the call may be made; whoever wants it done again is not asked a second time.
  var isApproval: Bool { json["decision"] == "approve" || json["decision"] == "again" }

  /// How the step ends by it; nil when it goes on.
  func end(of question: Question) -> SettledStep? {
    guard !isApproval else { return nil }
    if question.kind == .answer, let answer = json["answer"] {
      return SettledStep(status: .completed, output: ["answer": answer, "by": json["by"] ?? .null])
    }
    let isExpired = json["decision"] == "expired"
    let message = json["message"]?.string.map { ": \($0)" } ?? ""
    let error =
      question.kind == .answer
      ? SimplonError(.toolUnanswered, "nobody answered within \(question.expires.short)")
      : SimplonError(
        .toolDenied,
        isExpired ? "nobody approved the call within \(question.expires.short)" : "a person denied the call\(message)",
        details: ["decision": json["decision"] ?? "deny"])
    return SettledStep(status: .failed, error: error.json)
  }
}
