import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct PlanFuzzTests {
  private static let pieces = [
    "steps", ":", " ", "\n", "- ", "id: a", "tool: noop", "{", "}", "[", "]", ",", "\"", "'", "|", ">", "&a", "*a",
    "!t", "? ",
    "#", "---\n", "...", "%YAML 1.2\n", "<<", "0x1", "1e5", ".inf", "~", "${{ ", " }}", "steps.a.output", "==", "&&",
    "||", "(", ")",
    "with: ", "needs: [a]", "when: ", "\t", "\u{1F600}", "\u{85}", "\u{0}", "\\", "\"\\x41\"", "  ", "-", "a: b",
    "\r\n", "run.id", "1.5", "'x'", "<", ".b", "[0]",
  ]

  @Test(.timeLimit(.minutes(1)), arguments: 0..<8)
  func `random text is a plan or an error and never a trap`(seed: Int) {
    var random = Seeded(state: UInt64(seed))
    for _ in 0..<500 {
      let count = Int.random(in: 0..<60, using: &random)
      let text = (0..<count).map { _ in Self.pieces.randomElement(using: &random) ?? "" }.joined()
      if let error = failure({ try Plan(yaml: text, tools: tools) }) { #expect(error.code.rawValue.hasPrefix("plan.")) }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: 0..<4)
  func `random bytes are no trap either`(seed: Int) {
    var random = Seeded(state: UInt64(seed))
    for _ in 0..<500 {
      let bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let text = String(decoding: bytes, as: UTF8.self)
      if let error = failure({ try JSON(yaml: text) }) { #expect(error.code.rawValue.hasPrefix("plan.")) }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: 0..<8)
  func `a damaged plan is a plan or an error`(seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let sound = Array(
      "{steps: [{id: a, tool: noop, with: {x: [1, 'y & z']}}, {id: b, tool: python, needs: [a], when: \"${{ steps.a.output.x[0] == 1 && (run.id != 'q') }}\", with: {code: \"1\", env: {A: \"-${{ steps.a.output['x'] }}-\"}}, retry: {max: 1, backoff: 2s}}], output: '${{ steps.b.status }}', artifacts: ['**/[a-z]*.svg']}"
        .utf8)
    _ = try Plan(yaml: String(decoding: sound, as: UTF8.self), tools: tools)
    for _ in 0..<300 {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes.remove(at: at)
        case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: at)
        default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &random))
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      do {
        let plan = try Plan(yaml: text, tools: tools)
        #expect(try Plan(json: plan.json, tools: tools) == plan, "\(text)")
        run(plan, &random)
      } catch {
        #expect(error.code.rawValue.hasPrefix("plan."), "\(error)")
      }
    }
  }

  private func run(_ plan: Plan, _ random: inout Seeded) {
    var progress = PlanProgress(plan: plan)
    while progress.outcome == nil {
      for case .dispatch(let step, let input) in progress.next() {
        let output: JSON = [input, [:], nil, "x", ["x": [1]]].randomElement(using: &random) ?? nil
        progress.settle(step.id, as: SettledStep(status: .completed, output: output))
      }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: 0..<8)
  func `random expressions read or fail and their text reads again`(seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let words = [
      "steps.a.output", "steps.a.status", "run.id", ".x", "[0]", "['k']", "==", "!=", "<", "<=", ">", ">=", "1",
      "-2.5e3", "'t'", "\"u\"", "true", "null", "&&", "||", "(", ")", " ", "}", "\u{e9}",
    ]
    let scope = Expression.Scope(run: ["id": 7]) { _ in SettledStep(status: .completed, output: ["x": [1, "t"]]) }
    var sound = 0
    for _ in 0..<2000 {
      let text = (0..<Int.random(in: 1..<12, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
        .joined(separator: Bool.random(using: &random) ? " " : "")
      do {
        guard let expression = try Template("${{\(text)}}")?.only else { continue }
        sound += 1
        #expect(try Template("${{ \(expression.text) }}")?.only == expression)
        _ = try expression.value(in: scope)
      } catch {
        #expect(error.code == .planExpression)
      }
    }
    #expect(sound > 0)
  }

  @Test(.timeLimit(.minutes(1)), arguments: 0..<4)
  func `random schemas and values never trap`(seed: Int) {
    var random = Seeded(state: UInt64(seed))
    let keywords = [
      "type", "properties", "required", "additionalProperties", "enum", "items", "minimum", "maximum", "minLength",
      "maxLength", "x",
    ]
    func value(_ depth: Int) -> JSON {
      switch Int.random(in: 0..<(depth > 3 ? 6 : 8), using: &random) {
      case 0: nil
      case 1: .bool(Bool.random(using: &random))
      case 2: .number(["0", "-1.5", "1e99999999999", "99999999999999999999"].randomElement(using: &random) ?? "0")
      case 3, 4: .string(["string", "object", "array", "integer", "${{", "x", ""].randomElement(using: &random) ?? "")
      case 5, 6:
        .object(
          Dictionary(
            (0..<3).map { _ in (keywords.randomElement(using: &random) ?? "", value(depth + 1)) },
            uniquingKeysWith: { _, last in last }))
      default: .array((0..<3).map { _ in value(depth + 1) })
      }
    }
    for _ in 0..<1000 {
      let schema = InputSchema(value(0))
      _ = schema.faults
      _ = schema.misfit(of: value(0), skippingExpressions: Bool.random(using: &random))
    }
  }
}
