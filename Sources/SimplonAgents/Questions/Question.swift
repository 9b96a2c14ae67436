import SimplonCore

/// What a person is asked before a step of a run goes on.
struct Question: Sendable, Hashable {
  /// What is wanted; also the reason's code.
  enum Kind: String, Sendable {
    /// Whether a call may be made.
    case approval
    /// What the tool `ask` asks for.
    case answer
  }

  /// Characters of a question that a reason holds; the whole is in the step's input.
  private static let shown = 1000

  let kind: Kind
  let stepID: String
  let tool: String
  let text: String
  /// The answers there are; empty when any is one.
  let choices: [String]
  /// How long there is time to respond, from when it is asked.
  let expires: Duration

  /// Whether a call may be made.
  static func approval(of step: Plan.Step, expires: Duration?) -> Question {
    Question(
      kind: .approval, stepID: step.id, tool: step.tool,
      text: "May step \"\(step.id)\" call the tool \"\(step.tool)\"?", choices: PersonResponse.decisions,
      expires: expires ?? AskTool.usualTime)
  }

  /// Why the run waits; the database adds `details.expires_at`, since it has the clock that counts.
  ///
  /// - Parameter others: how many more questions are open.
  /// - Returns: `{code, message, hint, details}`.
  func reason(others: Int = 0) -> JSON {
    let text = String(text.prefix(Self.shown))
    var details: [String: JSON] = [
      "step_id": .string(stepID), "tool": .string(tool), "question": .string(text),
      "choices": choices.isEmpty ? .null : .array(choices.map(JSON.string)),
    ]
    if others > 0 { details["other_questions"] = .integer(others) }
    let isApproval = kind == .approval
    return [
      "code": .string(kind.rawValue),
      "message": .string(
        isApproval
          ? "Step \"\(stepID)\" waits until a person approves its call of \"\(tool)\"."
          : "Step \"\(stepID)\" asks: \(text)"),
      "hint": .string(
        "Respond on the live page, with the action \"respond\", or: simplon runs respond RUN --step \(stepID) "
          + (isApproval ? "--approve" : "--answer TEXT")),
      "details": .object(details),
    ]
  }
}
