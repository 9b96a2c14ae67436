import SimplonCore
import Testing

@testable import SimplonAgents

struct RunMachineTests {
  private static let tools = ToolCatalog([
    ToolDeclaration(
      name: "noop", summary: "Does nothing.", inputSchema: ["type": "object"], effect: .pure, timeout: .seconds(1),
      maximumTimeout: .seconds(60)),
    ToolDeclaration(
      name: "send", summary: "Sends something.", inputSchema: ["type": "object"], effect: .manual,
      timeout: .seconds(1), maximumTimeout: .seconds(60)),
    ToolDeclaration(
      name: "put", summary: "Sets something.", inputSchema: ["type": "object"], effect: .idempotent,
      timeout: .seconds(1), maximumTimeout: .seconds(60)),
    ToolDeclaration(
      name: "look", summary: "Looks up what it did.", inputSchema: ["type": "object"], effect: .reconcile,
      timeout: .seconds(1), maximumTimeout: .seconds(60)),
  ])

  private func machine(_ steps: JSON, records: [StepRecord] = []) throws -> RunMachine {
    RunMachine(plan: try Plan(json: ["steps": steps], tools: Self.tools), records: records, run: [:])
  }

  private func done(_ id: String, error: SimplonError? = nil) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: ["id": .string(id)], error: error, layerHash: nil, jitter: 1))
  }

  private func interrupted(_ id: String, by error: SimplonError) -> RunMachine.Input {
    .interrupted(StepEnd(stepID: id, output: .null, error: error, layerHash: nil, jitter: 1))
  }

  private func record(_ id: String, _ status: StepStatus, retryIn: Duration = .zero) -> StepRecord {
    let isFailed = status == .failed || status == .waiting
    return StepRecord(
      id: id, status: status, output: nil, error: isFailed ? fault.json : nil, failures: status == .waiting ? 1 : 0,
      layerHash: nil, retryIn: retryIn)
  }

  /// What a run says while a step of it waits for its repeat.
  private func backoff(_ id: String, _ milliseconds: Int, _ text: String) -> JSON {
    [
      "code": "backoff", "message": .string("Step \"\(id)\" failed and is repeated after \(text)."),
      "details": ["step_id": .string(id), "retry_in_ms": .integer(milliseconds)],
    ]
  }

  private let fault = SimplonError(.toolFailed, "no")
  private let cutOff = SimplonError(.runInterrupted, "stopped from outside", retry: .backoff)
  private let full = SimplonError(.storageFull, "the disk is full", retry: .backoff)

  @Test func `a chain settles one step and dispatches the next in one write`() throws {
    var machine = try machine([["id": "a", "tool": "noop"], ["id": "b", "tool": "noop", "needs": ["a"]]])
    let first = machine.turn()
    #expect(first.starts.map(\.step.id) == ["a"])
    #expect(first.rows.map(\.status) == [.running])
    #expect(first.rows.map(\.effect) == ["dispatched"])
    let second = machine.turn(after: [done("a")])
    #expect(second.rows.map(\.step.id) == ["a", "b"])
    #expect(second.rows.map(\.status) == [.completed, .running])
    #expect(second.outcome == nil)
    let last = machine.turn(after: [done("b")])
    #expect(last.outcome == .completed(result: nil))
    #expect(last.starts.isEmpty)
  }

  @Test func `a failure lets running steps settle and then fails the run`() throws {
    var machine = try machine([
      ["id": "a", "tool": "noop"], ["id": "b", "tool": "noop"], ["id": "c", "tool": "noop", "needs": ["b"]],
    ])
    #expect(machine.turn().starts.count == 2)
    let turn = machine.turn(after: [done("a", error: fault)])
    #expect(turn.outcome == nil)
    let last = machine.turn(after: [done("b")])
    #expect(last.starts.isEmpty)
    guard case .failed = last.outcome else {
      Issue.record("the run should have failed")
      return
    }
  }

  @Test func `a short backoff keeps the lease and shows retrying`() throws {
    var machine = try machine([["id": "a", "tool": "noop", "retry": ["max": 1, "backoff": "1s"]]])
    _ = machine.turn()
    let turn = machine.turn(after: [done("a", error: fault)])
    #expect(turn.waits.map(\.delay) == [.seconds(1)])
    #expect(turn.rows.map(\.status) == [.waiting])
    #expect(turn.outcome == .hold(status: "retrying", reason: backoff("a", 1000, "1s")))
    let again = machine.turn(after: [.waitOver(stepID: "a")])
    #expect(again.starts.map(\.step.id) == ["a"])
    #expect(again.outcome == .hold(status: "running", reason: nil))
    let last = machine.turn(after: [done("a", error: fault)])
    guard case .failed = last.outcome else {
      Issue.record("the second failure is final")
      return
    }
  }

  @Test func `a long backoff gives the lease up, and the step goes on counting its failures`() throws {
    let steps: JSON = [["id": "a", "tool": "noop", "retry": ["max": 2, "backoff": "1m"]]]
    var machine = try machine(steps)
    _ = machine.turn()
    let turn = machine.turn(after: [done("a", error: fault)])
    #expect(turn.outcome == .retrying(reason: backoff("a", 60_000, "1m"), delay: .seconds(60)))
    #expect(turn.waits.isEmpty)
    var next = try self.machine(
      steps, records: [StepRecord(id: "a", status: .waiting, output: nil, error: nil, failures: 1, layerHash: nil)])
    #expect(next.turn().rows.map(\.failures) == [1])
  }

  @Test func `a new holder keeps what is settled and repeats what was under way`() throws {
    var machine = try machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": "noop", "needs": ["a"]]],
      records: [
        StepRecord(id: "a", status: .completed, output: ["x": 1], error: nil, failures: 0, layerHash: "h"),
        StepRecord(id: "b", status: .running, output: nil, error: nil, failures: 0, layerHash: nil),
      ])
    #expect(machine.layerHashes == ["a": "h"])
    #expect(machine.turn().starts.map(\.step.id) == ["b"])
  }

  @Test func `resuming a failed run repeats the failed step with its failures forgotten`() throws {
    var machine = try machine(
      [["id": "a", "tool": "noop", "retry": ["max": 1, "backoff": "1s"]]],
      records: [StepRecord(id: "a", status: .pending, output: nil, error: nil, failures: 0, layerHash: nil)])
    #expect(machine.turn().rows.map(\.failures) == [0])
  }

  @Test func `a new holder does not repeat a step that had failed for good`() throws {
    var machine = try machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": "noop"]],
      records: [
        StepRecord(id: "a", status: .failed, output: nil, error: fault.json, failures: 0, layerHash: nil),
        StepRecord(id: "b", status: .running, output: nil, error: nil, failures: 0, layerHash: nil),
      ])
    let turn = machine.turn()
    #expect(turn.starts.isEmpty)
    guard case .failed = turn.outcome else {
      Issue.record("the failure was final")
      return
    }
  }

  @Test func `resuming does again what was skipped because of the failed step`() throws {
    var machine = try machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": "noop", "needs": ["a"]]],
      records: [
        StepRecord(id: "a", status: .pending, output: nil, error: nil, failures: 0, layerHash: nil),
        StepRecord(id: "b", status: .skipped, output: nil, error: nil, failures: 0, layerHash: nil),
      ])
    #expect(machine.turn().starts.map(\.step.id) == ["a"])
    #expect(machine.turn(after: [done("a")]).starts.map(\.step.id) == ["b"])
  }

  @Test func `draining starts nothing and hands back once the running steps have settled`() throws {
    var machine = try machine([["id": "a", "tool": "noop"], ["id": "b", "tool": "noop", "needs": ["a"]]])
    _ = machine.turn()
    #expect(machine.turn(after: [.drain]).outcome == nil)
    let turn = machine.turn(after: [done("a")])
    #expect(turn.outcome == .queued)
    #expect(turn.starts.isEmpty)
    #expect(turn.rows.map(\.status) == [.completed])
  }

  @Test func `draining a run that had just ended completes it`() throws {
    var machine = try machine([["id": "a", "tool": "noop"]])
    _ = machine.turn()
    #expect(machine.turn(after: [.drain, done("a")]).outcome == .completed(result: nil))
  }

  @Test func `an end that was not awaited changes nothing`() throws {
    var machine = try machine([["id": "a", "tool": "noop"]])
    _ = machine.turn()
    let turn = machine.turn(after: [done("z")])
    #expect(turn.isEmpty)
  }

  @Test func `what was skipped because of a step done again waits for it also after a second crash`() throws {
    let steps: JSON = [["id": "a", "tool": "noop"], ["id": "c", "tool": "noop", "needs": ["a"]]]
    // A resume has made "a" pending, and the worker that dispatched it died.
    var machine = try machine(steps, records: [record("a", .running), record("c", .skipped)])
    #expect(machine.turn().starts.map(\.step.id) == ["a"])
    #expect(machine.turn(after: [done("a")]).starts.map(\.step.id) == ["c"])
  }

  @Test func `an interrupted step is begun again and no failure is counted`() throws {
    var machine = try machine([["id": "a", "tool": "noop", "retry": ["max": 1, "backoff": "1s"]]])
    _ = machine.turn()
    for _ in 0..<3 {
      let turn = machine.turn(after: [interrupted("a", by: cutOff)])
      #expect(turn.rows.map(\.status) == [.waiting])
      #expect(turn.rows.map(\.failures) == [0])
      #expect(turn.waits.map(\.stepID) == ["a"])
      #expect(machine.turn(after: [.waitOver(stepID: "a")]).starts.map(\.step.id) == ["a"])
    }
    #expect(machine.turn(after: [done("a", error: fault)]).rows.map(\.failures) == [1])
  }

  @Test func `a server that always says "in a moment" is asked more and more seldom`() throws {
    var machine = try machine([["id": "a", "tool": "noop"]])
    _ = machine.turn()
    let soon = SimplonError(.modelRateLimited, "not so fast", retry: .after(.milliseconds(1)))
    var delays = [Duration]()
    for _ in 0..<8 {
      delays += machine.turn(after: [interrupted("a", by: soon)]).rows.compactMap(\.retryIn)
      _ = machine.turn(after: [.waitOver(stepID: "a")])
    }
    #expect(delays.count == 8 && delays == delays.sorted() && delays.first ?? .zero >= .milliseconds(50))
    #expect(delays.last ?? .zero >= .seconds(2))
    let later = SimplonError(.modelRateLimited, "not so fast", retry: .after(.seconds(30)))
    let turn = machine.turn(after: [interrupted("a", by: later)])
    #expect(turn.rows.compactMap(\.retryIn).allSatisfy { $0 >= .seconds(30) }, "what the vendor says is the least")
  }

  @Test func `a step that was interrupted while the worker drains is the next holder's`() throws {
    var machine = try machine([["id": "a", "tool": "noop"]])
    _ = machine.turn()
    let turn = machine.turn(after: [.drain, interrupted("a", by: cutOff)])
    #expect(turn.rows.isEmpty)
    #expect(turn.outcome == .queued)
  }

  @Test func `a fault of the machine parks the run with the fault as its reason`() throws {
    var machine = try machine([["id": "a", "tool": "noop"]])
    _ = machine.turn()
    let turn = machine.turn(after: [interrupted("a", by: full)])
    guard case .retrying(let reason, delay: RunMachine.faultWait) = turn.outcome else {
      Issue.record("the run should wait without a lease")
      return
    }
    #expect(reason["code"] == "storage.full")
    #expect(reason["details"] == ["step_id": "a", "retry_in_ms": 15_000])
    #expect(turn.rows.map(\.retryIn) == [RunMachine.faultWait])
  }

  @Test func `a new holder waits out the rest of a backoff`() throws {
    let steps: JSON = [
      ["id": "a", "tool": "noop", "retry": ["max": 2, "backoff": "1m"]], ["id": "b", "tool": "noop"],
    ]
    var machine = try machine(steps, records: [record("a", .waiting, retryIn: .seconds(40))])
    #expect(machine.turn().starts.map(\.step.id) == ["b"])
    let turn = machine.turn(after: [done("b")])
    #expect(turn.outcome == .retrying(reason: backoff("a", 40_000, "40s"), delay: .seconds(40)))
    var soon = try self.machine(steps, records: [record("a", .waiting, retryIn: .seconds(2)), record("b", .completed)])
    let first = soon.turn()
    #expect(first.starts.isEmpty)
    #expect(first.waits.map(\.delay) == [.seconds(2)])
    let again = soon.turn(after: [.waitOver(stepID: "a")])
    #expect(again.starts.map(\.step.id) == ["a"])
    #expect(again.rows.map(\.failures) == [1])
  }

  @Test func `of several steps that wait, the run tells of the first to be repeated`() throws {
    let waits: [(JSON, JSON)] = [("a", "1h"), ("b", "1m"), ("c", "1m")]
    var machine = try machine(
      .array(waits.map { ["id": $0.0, "tool": "noop", "retry": ["max": 1, "backoff": $0.1]] }))
    _ = machine.turn()
    #expect(machine.turn(after: [done("a", error: fault)]).outcome == nil)
    #expect(machine.turn(after: [done("c", error: fault)]).outcome == nil)
    let turn = machine.turn(after: [done("b", error: fault)])
    #expect(turn.outcome == .retrying(reason: backoff("b", 60_000, "1m"), delay: .seconds(60)))
  }

  @Test func `when another step fails for good, one that waits for its repeat fails with its last error`() throws {
    var machine = try machine([
      ["id": "a", "tool": "noop", "retry": ["max": 2, "backoff": "1h"]], ["id": "b", "tool": "noop"],
    ])
    _ = machine.turn()
    _ = machine.turn(after: [done("a", error: fault)])
    let turn = machine.turn(after: [done("b", error: full)])
    #expect(turn.rows.map(\.step.id) == ["b", "a"])
    #expect(turn.rows.map(\.status) == [.failed, .failed])
    #expect(turn.rows.last?.error == fault.json)
    guard case .failed = turn.outcome else {
      Issue.record("nothing is left to wait for")
      return
    }
  }

  @Test func `what an earlier holder left under way is cancelled when the run has failed`() throws {
    var machine = try machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": "noop"]],
      records: [record("a", .failed), record("b", .running)])
    let turn = machine.turn()
    #expect(turn.rows.map(\.step.id) == ["b"])
    #expect(turn.rows.map(\.status) == [.cancelled])
    #expect(turn.rows.map(\.effect) == ["settled"])
  }

  @Test(arguments: ["put", "look"])
  func `of a call that is given up and may have happened nobody says that it did not`(_ tool: String) throws {
    var machine = try machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": .string(tool)]],
      records: [record("a", .failed), record("b", .running)])
    let turn = machine.turn()
    #expect(turn.rows.map(\.status) == [.cancelled])
    #expect(turn.rows.map(\.effect) == ["unknown"])
    // The plan fails in the moment in which it would have been begun again.
    let wrong: JSON = ["id": "c", "tool": "noop", "needs": ["a"], "when": "${{ steps.a.status }}"]
    var late = try self.machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": .string(tool)], wrong],
      records: [record("a", .completed), record("b", .running)])
    let last = late.turn()
    #expect(last.starts.isEmpty)
    #expect(last.rows.map(\.step.id) == ["c", "b"])
    #expect(last.rows.map(\.status) == [.failed, .cancelled])
    #expect(last.rows.map(\.effect) == ["none", "unknown"])
    // One that had failed, and whose wait was over, did not happen.
    var failed = try self.machine(
      [["id": "a", "tool": "noop"], ["id": "b", "tool": .string(tool)]],
      records: [record("a", .failed), record("b", .waiting)])
    #expect(failed.turn().rows.map(\.effect) == ["settled"])
  }

  @Test func `a call that may have had its effect is not repeated, and the run asks a person`() throws {
    let steps: JSON = [["id": "a", "tool": "send"], ["id": "b", "tool": "noop"]]
    var machine = try machine(steps, records: [record("a", .running)])
    var turn = machine.turn()
    for isLive in [false, true] {
      if isLive {
        machine = try self.machine(steps)
        _ = machine.turn()
        #expect(machine.turn(after: [interrupted("a", by: cutOff)]).outcome == nil)
        turn = machine.turn(after: [done("b")])
      }
      #expect(turn.starts.isEmpty)
      #expect(turn.rows.last?.step.id == "a")
      #expect(turn.rows.last?.effect == "unknown")
      guard case .waiting(let reason) = turn.outcome else {
        Issue.record("the run should wait for a person")
        return
      }
      #expect(reason["code"] == "run.unknown_effect")
    }
  }
}
