import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct PlanProgressTests {
  /// A decision in a word: `run a`, `skip b` or `fail c`.
  private func words(_ decisions: [PlanProgress.Decision]) -> [String] {
    decisions.map { decision in
      switch decision {
      case .dispatch(let step, _): "run \(step.id)"
      case .skip(let id, _): "skip \(id)"
      case .fail(let id, _): "fail \(id)"
      }
    }
  }

  private func done(_ output: JSON = nil) -> SettledStep { SettledStep(status: .completed, output: output) }
  private func broken(_ output: JSON? = nil) -> SettledStep {
    failed(SimplonError(.toolTimeout, "too slow", hint: "wait"), output: output)
  }

  private func result(_ progress: PlanProgress) -> JSON? {
    if case .completed(let result)? = progress.outcome { result } else { nil }
  }
  private func error(_ progress: PlanProgress) -> SimplonError? {
    if case .failed(let error)? = progress.outcome { error } else { nil }
  }
  private func inputs(_ decisions: [PlanProgress.Decision]) -> [JSON] {
    decisions.compactMap { if case .dispatch(_, let input) = $0 { input } else { nil } }
  }
  private func reasons(_ decisions: [PlanProgress.Decision]) -> [String] {
    decisions.compactMap { if case .skip(_, let reason) = $0 { reason } else { nil } }
  }

  private let diamond: [JSON] = [
    ["id": "a"], ["id": "b", "needs": ["a"]], ["id": "c", "needs": ["a"]], ["id": "d", "needs": ["b", "c"]],
  ]

  @Test func `a diamond runs its sides side by side`() throws {
    var progress = PlanProgress(plan: try plan(diamond, output: ["d": "${{ steps.d.output }}"]))
    #expect(words(progress.next()) == ["run a"])
    #expect(words(progress.next()) == [])
    progress.settle("a", as: done())
    #expect(words(progress.next()) == ["run b", "run c"])
    progress.settle("c", as: done())
    #expect(words(progress.next()) == [])
    progress.settle("b", as: done())
    #expect(words(progress.next()) == ["run d"])
    #expect(progress.outcome == nil)
    progress.settle("d", as: done(42))
    #expect(progress.outcome == nil)
    #expect(words(progress.next()) == [])
    #expect(result(progress) == ["d": 42])
  }

  @Test func `inputs are resolved from the outputs before`() throws {
    let steps: [JSON] = [
      ["id": "a", "with": ["run": "${{ run.id }}"]],
      ["id": "b", "needs": ["a"], "with": ["n": "${{ steps.a.output.n }}", "t": "n=${{ steps.a.output.n }}"]],
    ]
    var progress = PlanProgress(plan: try plan(steps), run: ["id": "r1"])
    #expect(inputs(progress.next()) == [["run": "r1"]])
    progress.settle("a", as: done(["n": .number("1.50")]))
    #expect(inputs(progress.next()) == [["n": .number("1.50"), "t": "n=1.50"]])
  }

  @Test func `a false condition skips a step and all that need it`() throws {
    let steps: [JSON] = [
      ["id": "a"], ["id": "b", "needs": ["a"], "when": "${{ steps.a.output == 1 }}"],
      ["id": "c", "needs": ["b"], "continue_on_error": true],
      ["id": "d", "needs": ["c"]], ["id": "e", "needs": ["a", "d"]],
      ["id": "f", "needs": ["a"], "when": "${{ steps.a.output == 2 }}"],
    ]
    var progress = PlanProgress(
      plan: try plan(steps, output: ["${{ steps.b.status }}", "${{ steps.e.output }}", "${{ steps.f.output }}"]))
    _ = progress.next()
    progress.settle("a", as: done(2))
    let decisions = progress.next()
    #expect(words(decisions) == ["skip b", "skip c", "skip d", "skip e", "run f"])
    #expect(reasons(decisions).prefix(2) == ["its condition is false", "it needs step \"b\", which was skipped"])
    progress.settle("f", as: done("f"))
    #expect(words(progress.next()) == [])
    #expect(result(progress) == ["skipped", nil, "f"])
  }

  @Test func `after a failure nothing starts and what runs may end`() throws {
    let steps: [JSON] = [
      ["id": "a"], ["id": "b"], ["id": "after-a", "needs": ["a"]], ["id": "after-b", "needs": ["b"]],
      ["id": "last", "needs": ["after-a"]],
    ]
    var progress = PlanProgress(plan: try plan(steps, output: "${{ steps.a.output }}"))
    #expect(words(progress.next()) == ["run a", "run b"])
    progress.settle("a", as: broken())
    #expect(words(progress.next()) == ["skip after-a", "skip last"])
    #expect(progress.outcome == nil)
    progress.settle("b", as: failed(SimplonError(.toolFailed, "second")))
    #expect(words(progress.next()) == ["skip after-b"])
    #expect(error(progress)?.code == .toolTimeout)
    #expect(error(progress)?.message == "step \"a\": too slow")
    #expect(error(progress)?.hint == "wait")
    #expect(error(progress)?.details == ["step": "a"])
    #expect(words(progress.next()) == [])
  }

  @Test func `a failure leaves other branches undecided`() throws {
    var progress = PlanProgress(plan: try plan([["id": "a"], ["id": "b"], ["id": "c", "needs": ["b"]]]))
    _ = progress.next()
    progress.settle("b", as: done())
    progress.settle("a", as: broken())
    #expect(words(progress.next()) == [])
    #expect(error(progress) != nil)
  }

  @Test func `continue on error lets dependants see what came out`() throws {
    let steps: [JSON] = [
      ["id": "a", "continue_on_error": true],
      [
        "id": "b", "needs": ["a"], "when": "${{ steps.a.status == 'failed' }}",
        "with": ["x": "${{ steps.a.output.exit_code }}", "why": "${{ steps.a.error.code }}"],
      ],
    ]
    var progress = PlanProgress(plan: try plan(steps))
    _ = progress.next()
    progress.settle("a", as: broken(["exit_code": 3]))
    #expect(inputs(progress.next()) == [["x": 3, "why": "tool.timeout"]])
    progress.settle("b", as: done())
    _ = progress.next()
    #expect(error(progress) == nil && progress.outcome != nil && result(progress) == nil)
  }

  @Test func `an expression that fails fails its step and holds back the others of the moment`() throws {
    let steps: [JSON] = [
      ["id": "a"], ["id": "b", "needs": ["a"]], ["id": "c", "needs": ["a"], "when": "${{ steps.a.output > 1 }}"],
      ["id": "d", "needs": ["c"]],
    ]
    var progress = PlanProgress(plan: try plan(steps))
    _ = progress.next()
    progress.settle("a", as: done("text"))
    let decisions = progress.next()
    #expect(words(decisions) == ["fail c", "skip d"])
    guard case .fail(_, let cause) = decisions[0] else { return }
    #expect(cause.code == .planExpression)
    #expect(error(progress)?.code == .planExpression)
    #expect(error(progress)?.details == ["step": "c"])
  }

  @Test func `an expression that fails may be let pass`() throws {
    let steps: [JSON] = [
      ["id": "a"], ["id": "b", "needs": ["a"], "when": "${{ steps.a.output }}", "continue_on_error": true],
      ["id": "c", "needs": ["b"]],
    ]
    var progress = PlanProgress(plan: try plan(steps))
    _ = progress.next()
    progress.settle("a", as: done(3))
    #expect(words(progress.next()) == ["fail b", "run c"])
  }

  @Test func `an input that does not fit once it is known fails its step`() throws {
    let steps: [JSON] = [
      ["id": "a"],
      ["id": "b", "tool": "python", "needs": ["a"], "with": ["code": "1", "level": "${{ steps.a.output }}"]],
    ]
    var progress = PlanProgress(plan: try plan(steps))
    _ = progress.next()
    progress.settle("a", as: done("high"))
    #expect(words(progress.next()) == ["fail b"])
    #expect(error(progress)?.code == .toolInput)
    #expect(error(progress)?.message.contains("high") == false)
  }

  @Test func `doubling an output from step to step ends at the limit`() throws {
    let steps: [JSON] =
      [["id": "s0"]]
      + (1...200).map {
        [
          "id": .string("s\($0)"), "needs": [.string("s\($0 - 1)")],
          "with": ["a": .string("${{ steps.s\($0 - 1).output }}"), "b": .string("x${{ steps.s\($0 - 1).output }}")],
        ]
      }
    var progress = PlanProgress(plan: try plan(steps))
    var count = 0
    while progress.outcome == nil {
      for case .dispatch(let step, let input) in progress.next() {
        count += 1
        progress.settle(step.id, as: done(input))
      }
    }
    #expect(error(progress)?.code == .planTooLarge)
    #expect(count < 40)
  }

  @Test func `inputs and outputs of a run have a limit together`() throws {
    let text = String(repeating: "x", count: 3 << 20)
    let steps: [JSON] =
      [["id": "a"]]
      + (0..<20).map {
        ["id": .string("b\($0)"), "needs": ["a"], "continue_on_error": true, "with": ["x": "${{ steps.a.output }}"]]
      }
    var progress = PlanProgress(plan: try plan(steps))
    _ = progress.next()
    progress.settle("a", as: done(.string(text)))
    let decisions = progress.next()
    // The output and nine inputs fit into 32 MiB.
    #expect(
      words(decisions).map { String($0.prefix(4)) } == Array(repeating: "fail", count: 11)
        + Array(repeating: "run ", count: 9))
    if case .fail(_, let error)? = decisions.first { #expect(error.code == .planTooLarge) }
  }

  @Test func `an output that fails fails the run`() throws {
    var progress = PlanProgress(plan: try plan([["id": "a"]], output: ["${{ steps.a.output < 1 }}"]))
    _ = progress.next()
    progress.settle("a", as: done("x"))
    _ = progress.next()
    #expect(error(progress)?.code == .planExpression)
    #expect(error(progress)?.message.hasPrefix("\"output\" of the plan: ") == true)
  }

  @Test func `a stopped step fails the plan whatever it may continue on`() throws {
    var progress = PlanProgress(
      plan: try plan([["id": "a", "continue_on_error": true], ["id": "b", "needs": ["a"]]]))
    _ = progress.next()
    progress.settle("a", as: SettledStep(status: .cancelled))
    #expect(words(progress.next()) == ["skip b"])
    #expect(error(progress)?.code == .runInterrupted)
  }

  @Test func `a run goes on from what is settled`() throws {
    let plan = try plan(diamond, output: "${{ steps.a.output }}")
    var progress = PlanProgress(
      plan: plan, settled: ["a": done(1), "b": done(), "c": SettledStep(status: .running), "x": done()])
    #expect(words(progress.next()) == ["run c"])
    progress.settle("c", as: done())
    #expect(words(progress.next()) == ["run d"])
    var over = PlanProgress(plan: plan, settled: ["a": done(1), "b": done(), "c": done(), "d": done()])
    #expect(over.outcome == nil)
    #expect(words(over.next()) == [])
    #expect(result(over) == 1)
    var failed = PlanProgress(plan: plan, settled: ["a": done(1), "b": broken()])
    #expect(words(failed.next()) == ["skip d"])
    #expect(error(failed)?.message == "step \"b\": too slow")
    var skipped = PlanProgress(plan: plan, settled: ["a": SettledStep(status: .skipped)])
    #expect(words(skipped.next()) == ["skip b", "skip c", "skip d"])
    #expect(result(skipped) == .null)
  }

  @Test func `a run that is taken up keeps what is settled and was not skipped for a step done again`() throws {
    let steps: [JSON] =
      diamond + [
        ["id": "e", "needs": ["b"]], ["id": "f", "continue_on_error": true], ["id": "g", "needs": ["f"]], ["id": "h"],
        ["id": "i", "needs": ["h"]],
      ]
    let plan = try plan(steps)
    let skipped = SettledStep(status: .skipped)
    let settled = [
      "a": done(), "c": done(), "d": skipped, "e": skipped, "f": broken(), "g": done(), "h": skipped, "i": skipped,
      "x": done(),
    ]
    // The failed step is no longer settled: it is to be done again.
    let kept = PlanProgress.kept(of: settled, in: plan)
    #expect(kept.keys.sorted() == ["a", "c", "f", "g", "h", "i"])
    var progress = PlanProgress(plan: plan, settled: kept)
    #expect(words(progress.next()) == ["run b"])
    // Where it stays, so does what was skipped because of it.
    let failed = settled.merging(["b": broken()]) { _, new in new }
    #expect(PlanProgress.kept(of: failed, in: plan).keys.sorted() == ["a", "b", "c", "d", "e", "f", "g", "h", "i"])
    #expect(PlanProgress.kept(of: ["h": SettledStep(status: .cancelled)], in: plan).isEmpty)
  }

  @Test func `a step settles once and strangers are ignored`() throws {
    var progress = PlanProgress(
      plan: try plan([["id": "a"], ["id": "b", "needs": ["a"]]], output: "${{ steps.a.output }}"))
    progress.settle("a", as: done("too early"))
    #expect(words(progress.next()) == ["run a"])
    progress.settle("a", as: done(1))
    progress.settle("a", as: broken())
    progress.settle("nobody", as: broken())
    #expect(words(progress.next()) == ["run b"])
    progress.settle("b", as: done())
    _ = progress.next()
    #expect(result(progress) == 1)
  }

  @Test func `an error of another version keeps its name`() throws {
    var progress = PlanProgress(
      plan: try plan([["id": "a"]]),
      settled: [
        "a": SettledStep(status: .failed, error: ["code": "tool.from_the_future", "message": "m", "details": ["x": 1]])
      ])
    _ = progress.next()
    #expect(error(progress)?.code.rawValue == "tool.from_the_future")
    #expect(error(progress)?.details == ["x": 1, "step": "a"])
    var bare = PlanProgress(plan: try plan([["id": "a"]]), settled: ["a": SettledStep(status: .failed)])
    _ = bare.next()
    #expect(error(bare)?.code == .toolFailed)
  }
}
