import SimplonCore

/// The tool `plan`, by which a model says what is to be done.
enum PlanCall {
  static let name = "plan"

  /// What a model has planned.
  enum Reading {
    case plan(Plan)
    /// No step is needed, and this is the answer.
    case answer(String)
    /// No step is needed.
    case nothing
  }

  /// The tool as models are told of it.
  static func tool(_ tools: ToolCatalog) -> ModelRequest.Tool {
    let step: JSON = [
      "type": "object", "additionalProperties": false, "required": ["id", "tool", "with"],
      "properties": [
        "id": ["type": "string", "description": "a small letter, then small letters, digits, _ and -; unique"],
        "tool": tools.all.isEmpty
          ? ["type": "string"] : ["type": "string", "enum": .array(tools.all.map { .string($0.name) })],
        "with": ["type": "object", "description": "the tool's input"],
        "needs": [
          "type": "array", "items": ["type": "string"], "description": "the ids of the steps that must be over before",
        ],
        "when": ["type": "string", "description": "a condition: ${{ steps.ID.output.exit_code == 0 }}"],
        "timeout": ["type": "string", "description": "such as 30s or 5m"],
        "continue_on_error": ["type": "boolean", "description": "whether steps that need it go on when it fails"],
        "approval": ["type": "boolean", "description": "whether the person has to approve it before it is done"],
      ],
    ]
    return ModelRequest.Tool(
      name: name,
      summary: "Says which steps the job takes. They are carried out, and you get what came of each.",
      inputSchema: [
        "type": "object", "additionalProperties": false, "required": ["steps"],
        "properties": [
          "name": ["type": "string", "description": "the job in a few words"],
          "steps": ["type": "array", "items": step, "description": "empty when the job takes no tool"],
          "answer": ["type": "string", "description": "the answer to the person, when there are no steps"],
          "artifacts": [
            "type": "array", "items": ["type": "string"],
            "description": "patterns of further files for the person, such as **/*.csv",
          ],
        ],
      ])
  }

  /// Reads what a model has planned.
  ///
  /// - Throws: `plan.*`, in words from which the model can mend it.
  static func read(_ input: JSON, tools: ToolCatalog) throws(SimplonError) -> Reading {
    guard var members = input.object else { throw SimplonError(.planInvalid, "the plan must be an object") }
    let answer = members.removeValue(forKey: "answer").flatMap { $0.isNull ? nil : $0 }
    guard members["steps"]?.isNull ?? true || members["steps"]?.array?.isEmpty == true else {
      guard answer == nil else {
        throw SimplonError(.planInvalid, "an answer is for a job without steps", hint: "Answer when they are done.")
      }
      return .plan(try Plan(json: .object(members), tools: tools))
    }
    guard let answer else { return .nothing }
    guard let text = answer.string else { throw SimplonError(.planInvalid, "\"answer\" must be a string") }
    return .answer(text)
  }

  /// What came of a plan, as its model reads it: `{"steps": {id: {"status"?, "output"?, "error"?}}, "output"?, "error"?}`.
  static func result(
    of plan: Plan, _ outcome: PlanProgress.Outcome, for callID: String, limit: Int,
    _ settled: (String) -> SettledStep?
  ) -> ToolCallResult {
    var steps = [String: JSON]()
    let share = max(1000, limit / plan.steps.count)
    for step in plan.steps {
      let result = ToolCallResult(
        callID: callID, settled(step.id) ?? SettledStep(status: .pending), limit: share)
      // One that is cut is no JSON any more.
      steps[step.id] = (try? JSON(parsing: result.text)) ?? .string(result.text)
    }
    var members: [String: JSON] = ["steps": .object(steps)]
    var failed = false
    switch outcome {
    case .completed(let output):
      members["output"] = output.map { $0.size > limit ? .string($0.text.cut(to: limit)) : $0 }
    case .failed(let error):
      failed = true
      // A step's own stands there; which of several came first, the next holder would not know.
      if error.details?["step"] == nil { members["error"] = error.json }
    }
    return ToolCallResult(callID: callID, text: JSON.object(members).text, isError: failed)
  }
}
