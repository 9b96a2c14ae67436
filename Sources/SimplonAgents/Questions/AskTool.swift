import SimplonCore

/// `ask`: puts a question to the person for whom the run is; the run waits for the answer without a worker.
enum AskTool {
  /// How long there is time to respond, where nobody says.
  static let usualTime = Duration.seconds(7 * 86_400)
  /// How long there may be time to respond.
  static let times = Duration.seconds(1)...Duration.seconds(30 * 86_400)

  static let declaration = ToolDeclaration(
    name: "ask", summary: "Asks the person for whom the job is, and waits for the answer, which may take days.",
    inputSchema: [
      "type": "object", "additionalProperties": false, "required": ["question"],
      "properties": [
        "question": ["type": "string", "minLength": 1, "maxLength": 8192],
        "choices": [
          "type": "array", "items": ["type": "string", "minLength": 1, "maxLength": 200],
          "description": "the answers there are; left out, any text is one",
        ],
        "schema": ["type": "object", "description": "a JSON Schema of the answer, where it is to be no plain text"],
        "expires": ["type": "string", "description": "a time such as 2h, after which the step fails; 7d if left out"],
      ],
    ],
    effect: .pure, usesFiles: false, timeout: usualTime, maximumTimeout: times.upperBound)

  /// What a step asks.
  ///
  /// - Throws: `tool.input`.
  static func question(of step: Plan.Step, _ input: JSON) throws(SimplonError) -> Question {
    var expires = step.timeout ?? usualTime
    if let text = input["expires"]?.string {
      guard let own = Duration(parsing: text), times.contains(own) else {
        throw SimplonError(.toolInput, "\"expires\" must be a time from 1s to 30d, such as 2h")
      }
      expires = own
    }
    let choices = (input["choices"]?.array ?? []).compactMap(\.string)
    guard input["choices"] == nil || (1...100).contains(choices.count), Set(choices).count == choices.count else {
      throw SimplonError(.toolInput, "\"choices\" must be 1 to 100 texts, each another")
    }
    if let schema = input["schema"] {
      guard choices.isEmpty else { throw SimplonError(.toolInput, "give one of \"choices\" and \"schema\"") }
      if let fault = InputSchema(schema).faults.first {
        throw SimplonError(.toolInput, "the schema of the answer cannot be read: \(fault)")
      }
    }
    return Question(
      kind: .answer, stepID: step.id, tool: step.tool, text: input["question"]?.string ?? "", choices: choices,
      expires: expires)
  }

  /// Refuses an answer that the question does not take.
  ///
  /// - Throws: `request.invalid`.
  static func check(_ answer: JSON, to input: JSON) throws(SimplonError) {
    func wrong(_ what: String) -> SimplonError {
      SimplonError(.requestInvalid, "\"answer\" \(what)", details: ["field": "answer"])
    }
    if let schema = input["schema"] {
      if let misfit = InputSchema(schema).misfit(of: answer) { throw wrong("does not fit the question: \(misfit)") }
    } else if let choices = input["choices"]?.array {
      guard choices.contains(answer) else {
        throw wrong("must be one of the choices: \(choices.compactMap(\.string).joined(separator: ", "))")
      }
    } else if answer.string == nil {
      throw wrong("must be a string, as the question has no schema")
    }
  }
}
