import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct ExpressionTests {
  private let scope = Expression.Scope(run: ["id": "r1", "attempt": 2, "metadata": ["tier": "gold"]]) { id in
    switch id {
    case "a":
      SettledStep(
        status: .completed,
        output: [
          "n": .number("1.50"), "zero": 0, "text": "hi", "yes": true, "no": false, "nil": nil, "a-b": 7,
          "list": [10, ["x": "deep"]], "odd name": "odd",
        ])
    case "bad": failed(SimplonError(.toolFailed, "exit 3"), output: ["exit_code": 3])
    default: nil
    }
  }

  private func expression(_ text: String) throws -> Expression {
    try #require(try Template("${{ \(text) }}")?.only)
  }

  @Test(arguments: [
    ("steps.a.output.n", JSON.number("1.50")), ("steps.a.output.text", "hi"), ("steps.a.output.a-b", 7),
    ("steps.a.output.list[0]", 10), ("steps.a.output.list[1].x", "deep"), ("steps.a.output['odd name']", "odd"),
    ("steps.a.output[\"text\"]", "hi"), ("steps.a.status", "completed"), ("steps.bad.status", "failed"),
    ("steps.bad.error.code", "tool.failed"), ("steps.bad.output.exit_code", 3), ("steps.a.error", nil),
    ("run.id", "r1"), ("run.attempt", 2), ("run.metadata.tier", "gold"),
    ("steps.a.output.missing", nil), ("steps.a.output.missing.further[3]", nil), ("steps.a.output.list[9]", nil),
    ("steps.a.output.text.length", nil), ("steps.a.output[0]", nil), ("steps.a.output.list.x", nil),
    ("steps.nobody.output", nil),
  ])
  func `a path gives the value in its own type and null for what is missing`(text: String, value: JSON) throws {
    #expect(try expression(text).value(in: scope) == value)
  }

  @Test(arguments: [
    ("steps.a.output.n == 1.5", true), ("steps.a.output.n == 1.51", false), ("steps.a.output.n != 1", true),
    ("steps.a.output.n > 1", true), ("steps.a.output.n >= 1.500", true), ("steps.a.output.n < 1.5", false),
    ("steps.a.output.n <= 15e-1", true), ("steps.a.output.n > -3", true), ("steps.a.output.text == 'hi'", true),
    ("steps.a.output.text == \"hi\"", true), ("steps.a.output.text < 'hj'", true),
    ("steps.a.output.text >= 'hi'", true),
    ("steps.a.output.yes == true", true), ("steps.a.output.no == false", true), ("steps.a.output.nil == null", true),
    ("steps.a.output.missing == null", true), ("steps.a.output.missing != null", false),
    ("steps.a.output.n == '1.50'", false), ("steps.a.output.n != 'x'", true), ("steps.a.output.zero == false", false),
    ("steps.a.output.list == null", false), ("steps.a.output.yes", true), ("steps.a.output.no", false),
    ("steps.a.output.missing", false), ("steps.a.status=='completed'", true), ("run.metadata.tier == 'gold'", true),
  ])
  func `a condition compares by value and never by spelling`(text: String, holds: Bool) throws {
    #expect(try expression(text).truth(in: scope) == holds)
  }

  @Test(arguments: [
    ("steps.a.output.yes || steps.a.output.no && steps.a.output.no", true),
    ("(steps.a.output.yes || steps.a.output.no) && steps.a.output.no", false),
    ("steps.a.output.no || steps.a.output.no || steps.a.output.yes", true),
    ("steps.a.output.yes && steps.a.output.yes && steps.a.output.no", false),
    ("steps.a.output.no && steps.a.output.no || steps.a.output.yes", true),
    ("((steps.a.output.n==1.5))&&(steps.a.output.zero<1)", true),
    ("steps.a.output.no && steps.a.output.text < 3", false), ("steps.a.output.yes || steps.a.output.text", true),
  ])
  func `and binds tighter than or and the rest is not looked at once all is decided`(text: String, holds: Bool) throws {
    #expect(try expression(text).truth(in: scope) == holds)
    #expect(try expression(text).value(in: scope) == .bool(holds))
  }

  @Test(arguments: [
    "steps.a.output.text < 3", "steps.a.output.n > 'x'", "steps.a.output.missing > 1", "steps.a.output.yes <= true",
    "steps.a.output.list >= 1", "steps.a.output.text && steps.a.output.yes", "steps.a.output.n || steps.a.output.yes",
  ])
  func `what has no order or no truth is an error`(text: String) throws {
    let expression = try expression(text)
    #expect(failure { try expression.truth(in: scope) }?.code == .planExpression)
  }

  @Test func `a text is no condition`() throws {
    let expression = try expression("steps.a.output.text")
    #expect(failure { try expression.truth(in: scope) }?.code == .planExpression)
  }

  @Test(arguments: [
    "", " ", "1", "'x'", "true", "steps", "steps.", "steps.a", "steps.a.", "steps.a.result", "steps.a.output.",
    "steps.a.output[", "steps.a.output[]", "steps.a.output[-1]", "steps.a.output[1.5]", "steps.a.output[x]",
    "steps.a.output['x]", "steps.a.output[99999999999999999999]", "steps .a.output", "steps.a.output ==",
    "steps.a.output == x", "steps.a.output == steps.a.status", "1 == steps.a.output", "steps.a.output = 1",
    "steps.a.output == 01", "steps.a.output == 1.", "steps.a.output == +1", "steps.a.output == [1]",
    "steps.a.output == 1 == 2", "steps.a.output === 1", "steps.a.output && ", "&& steps.a.output",
    "steps.a.output & steps.a.output", "(steps.a.output", "steps.a.output)", "!steps.a.output", "run", "run.owner",
    "run.metadata.", "env.HOME", "steps.a.output steps.a.output", "steps.a.output + 1", "steps.a.output == 'a\" ",
    "steps.a.output == nul", "steps.a.output == 1e", "steps.\u{e9}.output",
  ])
  func `anything else cannot be read`(text: String) {
    #expect(failure { try Template("${{\(text)}}") }?.code == .planExpression)
  }

  @Test func `parentheses nest only so deep`() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "(", count: depth) + "steps.a.output.yes" + String(repeating: ")", count: depth)
    }
    #expect(try expression(nested(32)).truth(in: scope))
    #expect(failure { try Template("${{ \(nested(33)) }}") }?.code == .planExpression)
    #expect(failure { try Template("${{ \(nested(100_000)) }}") }?.code == .planExpression)
    #expect(
      try expression(Array(repeating: "(steps.a.output.yes)", count: 100).joined(separator: "&&")).truth(in: scope))
  }

  @Test func `it knows the steps it reads`() throws {
    let expression = try expression("steps.b.output == 1 || steps.c.status == 'x' && (steps.d.error || run.id == 'x')")
    #expect(expression.stepIDs == ["b", "c", "d"])
    #expect(expression.text == "steps.b.output == 1 || steps.c.status == 'x' && (steps.d.error || run.id == 'x')")
  }
}
