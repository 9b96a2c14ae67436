import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct PlanReadingTests {
  private static let full = """
    version: 1                                   # may be left out
    name: dataset-report
    steps:
      - id: stats
        tool: python
        with: { code: "print(6*7)" }
        timeout: 30s
        retry: { max: 2, backoff: 1500ms }
      - id: check
        tool: python
        needs: [stats]
        when: "${{ steps.stats.output.exit_code == 0 }}"
        continue_on_error: true
        approval: false
        with: { code: 'import os', env: { GOT: "${{ steps.stats.output.stdout }}" }, level: "${{ run.attempt }}" }
    output: { answer: "${{ steps.stats.output.stdout }}", all: "${{ steps.check.status }}" }
    artifacts: [ "**/*.svg", "report.md" ]
    """

  @Test func `every field is read`() throws {
    let plan = try Plan(yaml: Self.full, tools: tools)
    #expect(plan.name == "dataset-report")
    #expect(plan.steps.map(\.id) == ["stats", "check"])
    let stats = try #require(plan["stats"]), check = try #require(plan["check"])
    #expect(stats.tool == "python" && stats.declaration == tools["python"])
    #expect(stats.timeout == .seconds(30) && check.timeout == nil)
    #expect(
      stats.retry == .init(max: 2, backoff: .milliseconds(1500)) && check.retry == .init(max: 0, backoff: .seconds(1)))
    #expect(stats.condition == nil && check.condition?.text == "steps.stats.output.exit_code == 0")
    #expect(!stats.continueOnError && check.continueOnError)
    #expect(stats.needs == [] && check.needs == ["stats"])
    #expect(stats.input == ["code": "print(6*7)"])
    #expect(plan.artifacts == ["**/*.svg", "report.md"])
    #expect(plan.output?["all"] == "${{ steps.check.status }}")
    #expect(plan["nobody"] == nil)
  }

  @Test(arguments: [
    full, "steps: [{id: a, tool: noop}]",
    "{steps: [{id: a, tool: noop, retry: {max: 3}, timeout: 1000ms, when: '  ${{run.id}}\n '}]}",
  ])
  func `the canonical form reads back to an equal plan`(yaml: String) throws {
    let plan = try Plan(yaml: yaml, tools: tools)
    let again = try Plan(json: plan.json, tools: tools)
    #expect(again == plan)
    #expect(again.json.text == plan.json.text)
    #expect(try Plan(json: JSON(parsing: plan.json.text), tools: tools) == plan)
    #expect(try Plan(yaml: plan.json.text, tools: tools) == plan)
  }

  @Test func `the canonical form leaves defaults out`() throws {
    let plan = try Plan(
      yaml:
        "{steps: [{id: a, tool: noop, needs: [], with: {}, retry: {max: 0}, continue_on_error: false, approval: false}], artifacts: []}",
      tools: tools)
    #expect(plan.json == ["version": 1, "steps": [["id": "a", "tool": "noop"]]])
  }

  private static let step = "{id: a, tool: noop}"

  @Test(arguments: [
    ("[]", "plan.invalid", "the plan must be an object"), ("{}", "plan.invalid", "steps"),
    ("{steps: []}", "plan.invalid", "steps"),
    ("{steps: 1}", "plan.invalid", "steps"), ("{steps: [1]}", "plan.invalid", "step 1"),
    ("{steps: [\(step), [x]]}", "plan.invalid", "step 2"),
    ("{version: 2, steps: [\(step)]}", "plan.invalid", "version"),
    ("{version: '1', steps: [\(step)]}", "plan.invalid", "version"),
    ("{nmae: x, steps: [\(step)]}", "plan.invalid", "nmae"), ("{name: 1, steps: [\(step)]}", "plan.invalid", "name"),
    ("{name: \(String(repeating: "x", count: 201)), steps: [\(step)]}", "plan.invalid", "name"),
    ("{artifacts: x, steps: [\(step)]}", "plan.invalid", "artifacts"),
    ("{artifacts: [../x], steps: [\(step)]}", "plan.invalid", "../x"),
    (
      "{artifacts: [\(Array(repeating: "x", count: 101).joined(separator: ","))], steps: [\(step)]}", "plan.invalid",
      "100"
    ),
    ("{output: '${{ steps.b.output }}', steps: [\(step)]}", "plan.reference", "\"b\""),
    ("{output: '${{', steps: [\(step)]}", "plan.expression", "output"),
    ("{output: {'${{ run.id }}': 1}, steps: [\(step)]}", "plan.expression", "output"),
  ])
  func `a wrong plan is refused by the name of its field`(yaml: String, code: String, word: String) {
    let error = failure { try Plan(yaml: yaml, tools: tools) }
    #expect(error?.code.rawValue == code)
    #expect(error?.message.contains(word) == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    ("tool: noop", "plan.invalid", "id"), ("id: 1, tool: noop", "plan.invalid", "id"),
    ("id: A, tool: noop", "plan.invalid", "id"),
    ("id: 1a, tool: noop", "plan.invalid", "id"), ("id: a.b, tool: noop", "plan.invalid", "id"),
    ("id: '', tool: noop", "plan.invalid", "id"),
    ("id: a\u{e9}, tool: noop", "plan.invalid", "id"),
    ("id: \(String(repeating: "a", count: 65)), tool: noop", "plan.invalid", "id"),
    ("id: a", "plan.invalid", "tool"), ("id: a, tool: 1", "plan.invalid", "tool"),
    ("id: a, tool: nope", "plan.unknown_tool", "nope"),
    ("id: a, tool: storage.list", "plan.not_supported", "storage.list"),
    ("id: a, tool: noop, approval: yes", "plan.invalid", "approval"),
    ("id: a, tool: noop, approval: 1", "plan.invalid", "approval"),
    ("id: a, tool: noop, need: [x]", "plan.invalid", "need"), ("id: a, tool: noop, needs: x", "plan.invalid", "needs"),
    ("id: a, tool: noop, needs: [b]", "plan.reference", "\"b\""),
    ("id: a, tool: noop, needs: [a]", "plan.cycle", "a → a"),
    ("id: a, tool: noop, when: true", "plan.invalid", "when"),
    ("id: a, tool: noop, when: 'true'", "plan.expression", "when"),
    ("id: a, tool: noop, when: 'x ${{ run.id }}'", "plan.expression", "when"),
    ("id: a, tool: noop, when: '${{ x }}'", "plan.expression", "when"),
    ("id: a, tool: noop, when: '${{ steps.a.status }}'", "plan.reference", "\"a\""),
    ("id: a, tool: noop, when: '${{ steps.b.status }}'", "plan.reference", "\"b\""),
    ("id: a, tool: noop, with: [1]", "plan.invalid", "with"),
    ("id: a, tool: noop, with: {x: '${{ steps.b.output }}'}", "plan.reference", "\"b\""),
    ("id: a, tool: noop, with: {x: ['${{ steps }}']}", "plan.expression", "with"),
    ("id: a, tool: noop, with: {'${{ run.id }}': 1}", "plan.expression", "with"),
    ("id: a, tool: noop, timeout: 30", "plan.invalid", "timeout"),
    ("id: a, tool: noop, timeout: 11s", "plan.invalid", "from 1ms to 10s"),
    ("id: a, tool: noop, timeout: 0s", "plan.invalid", "timeout"),
    ("id: a, tool: noop, timeout: 999999999999999999d", "plan.invalid", "timeout"),
    ("id: a, tool: noop, retry: 3", "plan.invalid", "retry"),
    ("id: a, tool: noop, retry: {max: 11}", "plan.invalid", "max"),
    ("id: a, tool: noop, retry: {max: -1}", "plan.invalid", "max"),
    ("id: a, tool: noop, retry: {backoff: 2h}", "plan.invalid", "backoff"),
    ("id: a, tool: noop, retry: {times: 1}", "plan.invalid", "times"),
    ("id: a, tool: noop, continue_on_error: 1", "plan.invalid", "continue_on_error"),
    ("id: a, tool: python", "plan.input", "\"code\" is missing"),
    ("id: a, tool: python, with: {code: 1}", "plan.input", "code"),
    ("id: a, tool: python, with: {code: x, cod: 1}", "plan.input", "cod"),
    ("id: a, tool: python, with: {code: x, level: 10}", "plan.input", "level"),
    ("id: a, tool: python, with: {code: x, env: {A: 1}}", "plan.input", "env.A"),
    ("id: a, tool: python, with: {code: 'x ${{ run.id }}'}", "plan.expression", "code"),
    ("id: a, tool: python, with: {code: 'x ${{'}", "plan.expression", "code"),
    ("id: a, tool: python, with: {code: ['${{']}", "plan.expression", "code"),
  ])
  func `a wrong step is refused by the name of its field`(fields: String, code: String, word: String) {
    let error = failure { try Plan(yaml: "{steps: [{\(fields)}]}", tools: tools) }
    #expect(error?.code.rawValue == code)
    #expect(error?.message.contains(word) == true, "\(String(describing: error))")
    #expect(error?.message.contains("step") == true, "\(String(describing: error))")
  }

  @Test func `a second step of one id and a need named twice are refused`() {
    #expect(failure { try plan([["id": "a"], ["id": "a"]]) }?.code == .planInvalid)
    #expect(failure { try plan([["id": "a"], ["id": "b", "needs": ["a", "a"]]]) }?.code == .planInvalid)
  }

  @Test func `a circle is named`() throws {
    let steps: [JSON] = [
      ["id": "start"], ["id": "a", "needs": ["c", "start"]], ["id": "b", "needs": ["a"]],
      ["id": "c", "needs": ["start", "b"]],
      ["id": "end", "needs": ["c"]],
    ]
    let error = try #require(failure { try plan(steps) })
    #expect(error.code == .planCycle)
    #expect(error.message == "steps need each other in a circle: a → c → b → a")
    #expect(error.details == ["cycle": ["a", "c", "b"]])
  }

  @Test func `a circle of a thousand steps is found and told shortly`() throws {
    let steps: [JSON] = (0..<1000).map { ["id": .string("s\($0)"), "needs": [.string("s\(($0 + 1) % 1000)")]] }
    let error = try #require(failure { try plan(steps) })
    #expect(error.code == .planCycle)
    #expect(error.message.utf8.count < 200)
  }

  @Test func `a reference reaches through the needs of needs and no further`() throws {
    func steps(_ field: String, _ value: JSON) -> [JSON] {
      [["id": "a"], ["id": "b", "needs": ["a"]], ["id": "side"], .object(["id": "c", "needs": ["b"], field: value])]
    }
    #expect(failure { try plan(steps("with", ["x": "${{ steps.a.output }} ${{ steps.b.status }}"])) } == nil)
    #expect(failure { try plan(steps("when", "${{ steps.a.output == 1 && steps.b.error == null }}")) } == nil)
    let error = try #require(failure { try plan(steps("with", ["x": ["${{ steps.side.output }}"]])) })
    #expect(error.code == .planReference)
    #expect(error.message == "step \"c\" refers to step \"side\", which it does not need")
    #expect(error.hint == "add \"side\" to the `needs` of step \"c\"")
    #expect(failure { try plan(steps("when", "${{ run.id == 'x' || steps.side.output }}")) }?.code == .planReference)
    #expect(
      failure { try plan(steps("with", [:]), output: ["${{ steps.side.output }}", "${{ steps.c.output }}"]) } == nil)
  }

  @Test func `ancestors come after what they need`() throws {
    let plan = try plan([
      ["id": "d", "needs": ["b", "c"]], ["id": "b", "needs": ["a"]], ["id": "c", "needs": ["a"]], ["id": "a"],
      ["id": "z"],
    ])
    #expect(plan.ancestors(of: "d") == ["a", "b", "c"])
    #expect(plan.ancestors(of: "a") == [])
    #expect(plan.ancestors(of: "nobody") == [])
    #expect(plan.needs("d", "a") && !plan.needs("a", "d") && !plan.needs("a", "a") && !plan.needs("d", "nobody"))
  }

  @Test(.timeLimit(.minutes(1))) func `ten thousand steps are refused before anything else is looked at`() throws {
    let steps: [JSON] = (0..<10_000).map { ["id": .string("s\($0)"), "tool": "nope"] }
    let error = try #require(failure { try Plan(json: ["steps": .array(steps)], tools: tools) })
    #expect(error.code == .planTooLarge)
    #expect(error.message == "the plan has 10000 steps; the limit is 1000")
    let yaml = "steps:\n" + (0..<10_000).map { "  - { id: s\($0), tool: noop }\n" }.joined()
    #expect(failure { try Plan(yaml: yaml, tools: tools) }?.code == .planTooLarge)
  }

  @Test func `a thousand steps that all need each other are fine`() throws {
    let ids = (0..<1000).map { JSON.string("s\($0)") }
    let plan = try plan((0..<1000).map { ["id": ids[$0], "needs": .array(Array(ids[..<$0]))] })
    #expect(plan.ancestors(of: "s999").count == 999)
  }

  @Test func `a plan is as large as its canonical form, to the byte`() throws {
    func steps(_ count: Int) -> [JSON] {
      [["id": "a", "with": ["x": .string(String(repeating: "x", count: count)), "y": [1, true, nil]]]]
    }
    let room = SizeLimit.bytes - (try plan(steps(0))).json.size
    let largest = try plan(steps(room)).json
    #expect(largest.size == SizeLimit.bytes)
    #expect(try Plan(json: largest, tools: tools).json == largest)
    #expect(failure { try plan(steps(room + 1)) }?.code == .planTooLarge)
  }

  @Test func `a plan that is too big or too deep in JSON is refused too`() {
    let big: JSON = ["id": "a", "with": ["x": .string(String(repeating: "x", count: 4 << 20))]]
    #expect(failure { try plan([big]) }?.code == .planTooLarge)
    let deep = (0..<100).reduce(JSON.null) { inner, _ in [inner] }
    #expect(failure { try plan([["id": "a", "with": ["x": deep]]]) }?.code == .planTooLarge)
  }
}
