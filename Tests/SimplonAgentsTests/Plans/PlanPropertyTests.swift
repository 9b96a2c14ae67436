import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct PlanPropertyTests {
  /// A random plan without circles; `share` is how likely one step needs another.
  private func randomSteps(_ count: Int, share: Double, _ random: inout Seeded) -> [JSON] {
    (0..<count).map { index in
      let needs = (0..<index).filter { _ in Double.random(in: 0..<1, using: &random) < share }
      var step: [String: JSON] = [
        "id": .string("s\(index)"), "tool": "noop", "needs": .array(needs.map { .string("s\($0)") }),
      ]
      if let other = needs.randomElement(using: &random) {
        if Int.random(in: 0..<4, using: &random) == 0 { step["when"] = .string("${{ steps.s\(other).output != 3 }}") }
        step["with"] = ["x": .string("${{ steps.s\(other).output }}")]
      }
      if Int.random(in: 0..<4, using: &random) == 0 { step["continue_on_error"] = true }
      return .object(step)
    }.shuffled(using: &random)
  }

  @Test(.timeLimit(.minutes(1)), arguments: 0..<400)
  func `every order of settling ends and no step starts before its needs`(seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let steps = randomSteps(
      Int.random(in: 1...24, using: &random), share: Double.random(in: 0...0.5, using: &random), &random)
    let plan = try Plan(json: ["steps": .array(steps)], tools: tools)
    let failing = seed % 2 == 0 ? 0 : 6
    var settled = [String: SettledStep]()
    var running = Set<String>()
    var isFailed = false
    var progress = PlanProgress(plan: plan)
    while true {
      for decision in progress.next() {
        switch decision {
        case .dispatch(let step, let input):
          #expect(!isFailed && settled[step.id] == nil && running.insert(step.id).inserted)
          for need in step.needs {
            let before = try #require(settled[need])
            #expect(before.status == .completed || (before.status == .failed && plan[need]?.continueOnError == true))
          }
          #expect(!Template.mark(within: input))
        case .skip(let id, _):
          #expect(!running.contains(id) && settled.updateValue(SettledStep(status: .skipped), forKey: id) == nil)
          let isBlocked = plan[id]?.needs.contains { need in
            settled[need]?.status == .skipped
              || (settled[need]?.status == .failed && plan[need]?.continueOnError == false)
          }
          #expect(isBlocked == true || plan[id]?.condition != nil)
        case .fail(let id, let error): Issue.record("\(id): \(error)")
        }
      }
      if !isFailed {
        for step in plan.steps
        where settled[step.id] == nil && step.needs.allSatisfy({ settled[$0]?.status == .completed }) {
          #expect(running.contains(step.id), "\(step.id) could run and does not")
        }
      }
      #expect((progress.outcome == nil) == !running.isEmpty)
      guard let id = running.sorted().randomElement(using: &random) else { break }
      running.remove(id)
      let fails = failing > 0 && Int.random(in: 0..<failing, using: &random) == 0
      let step =
        fails
        ? failed(SimplonError(.toolFailed, "no"))
        : SettledStep(status: .completed, output: .integer(Int.random(in: 0..<5, using: &random)))
      progress.settle(id, as: step)
      settled[id] = step
      if fails, plan[id]?.continueOnError == false { isFailed = true }
      if Int.random(in: 0..<5, using: &random) == 0, running.isEmpty {
        progress = PlanProgress(plan: plan, settled: settled)
      }
    }
    switch progress.outcome {
    case .completed:
      #expect(!isFailed)
      #expect(settled.count == plan.steps.count)
    case .failed: #expect(isFailed)
    case nil: Issue.record("it does not end")
    }
  }

  @Test(.timeLimit(.minutes(1))) func `a thousand steps pass quickly in any shape`() throws {
    for share in [0, 0.01, 1.0] {
      var random = Seeded(state: 9)
      let plan = try Plan(json: ["steps": .array(randomSteps(1000, share: share, &random))], tools: tools)
      var progress = PlanProgress(plan: plan)
      var count = 0
      while progress.outcome == nil {
        for case .dispatch(let step, _) in progress.next() {
          progress.settle(step.id, as: SettledStep(status: .completed, output: 1))
          count += 1
        }
      }
      #expect(count == 1000)
    }
  }
}
