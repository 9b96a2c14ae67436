import SimplonCore
import Testing

@testable import SimplonAgents

struct AskToolTests {
  private func question(_ input: JSON, timeout: JSON? = nil) throws -> Question {
    var step: [String: JSON] = ["id": "a", "tool": "ask", "with": input]
    step["timeout"] = timeout
    let plan = try Plan(json: ["steps": [.object(step)]], tools: ToolBox.catalog)
    return try AskTool.question(of: plan.steps[0], input)
  }

  @Test func `there is a week to answer, or the time that the step or the question names`() throws {
    #expect(try question(["question": "x"]).expires == .seconds(7 * 86_400))
    #expect(try question(["question": "x"], timeout: "2d").expires == .seconds(2 * 86_400))
    #expect(try question(["question": "x", "expires": "90s"], timeout: "2d").expires == .seconds(90))
  }

  @Test(
    arguments: [
      ["question": "x", "expires": "31d"], ["question": "x", "expires": "soon"], ["question": "x", "expires": "0s"],
      ["question": "x", "choices": []], ["question": "x", "choices": ["a", "a"]],
      ["question": "x", "choices": ["a"], "schema": [:]], ["question": "x", "schema": ["type": "text"]],
      ["question": "x", "schema": ["pattern": "a"]],
    ] as [JSON]) func `what cannot be asked is refused`(_ input: JSON)
  {
    let error = #expect(throws: SimplonError.self) { try question(input) }
    #expect(error?.code == .toolInput)
  }

  @Test(
    arguments: [
      ([:], "text", true), ([:], 1, false), ([:], ["a": 1], false), (["choices": ["a", "b"]], "b", true),
      (["choices": ["a", "b"]], "c", false), (["choices": ["a", "b"]], "A", false),
      (["schema": ["type": "integer", "minimum": 1]], 2, true),
      (["schema": ["type": "integer", "minimum": 1]], 0, false),
      (["schema": ["type": "integer"]], "2", false),
    ] as [(JSON, JSON, Bool)]) func `an answer has to fit its question`(_ input: JSON, _ answer: JSON, _ fits: Bool)
  {
    do throws(SimplonError) {
      try AskTool.check(answer, to: input)
      #expect(fits)
    } catch {
      #expect(!fits && error.code == .requestInvalid)
    }
  }

  @Test(
    arguments: [
      ["decision": "approve"], ["answer": "x"], ["step_id": "a"], ["step_id": "a", "answer": nil],
      ["step_id": "a", "answer": 1, "decision": "deny"], ["step_id": "a", "decision": "expired"],
      ["step_id": "a", "decision": "deny", "reason": "x"], ["step_id": "a", "decision": "again", "output": 1],
      ["step_id": "a", "decision": "approve", "output": 1], ["step_id": "a", "output": 1],
    ] as [JSON]) func `a response that says nothing, or two things, is refused`(_ json: JSON)
  {
    #expect(throws: SimplonError.self) { try RunResponse(json: json) }
  }

  @Test func `a response is limited`() {
    let long = JSON.string(String(repeating: "x", count: 65_535))
    for response in [
      ["step_id": "a", "answer": long], ["step_id": "a", "decision": "happened", "output": long],
    ] as [JSON] {
      let error = #expect(throws: SimplonError.self) { try RunResponse(json: response) }
      #expect(error?.code == .requestTooLarge)
    }
  }

  @Test func `ask cannot be put to a person twice`() {
    let error = #expect(throws: SimplonError.self) {
      try Plan(
        json: ["steps": [["id": "a", "tool": "ask", "with": ["question": "x"], "approval": true]]],
        tools: ToolBox.catalog)
    }
    #expect(error?.code == .planInvalid)
  }
}
