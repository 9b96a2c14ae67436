import Foundation
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// Why a run is not finished: every reason that there is, brought about as it comes about.
@Suite(.timeLimit(.minutes(1)))
struct WhyTests {
  /// A run that has come somewhere, and what it says about it.
  struct Case: Sendable, CustomTestStringConvertible {
    let code: String
    let message: String
    var details: JSON?
    /// Whether a worker has the run meanwhile, so that the end of its lease is among the details.
    var showsLease = false
    let bringAbout: @Sendable (Engine) async throws -> UUID
    var testDescription: String { "\(code): \(message)" }
  }

  @Test(arguments: cases + faults) func `a run says why it is not finished`(_ it: Case) async throws {
    try await Engine.with { engine in
      let run = try await it.bringAbout(engine)
      let why = try await JSON(parsing: engine.runs.why(run, as: Engine.alice))
      #expect(why["code"] == .string(it.code))
      #expect(why["message"] == .string(it.message))
      var details = why["details"]?.object
      let lease = details?.removeValue(forKey: "lease_until")?.string
      let expires = details?.removeValue(forKey: "expires_at")?.string
      #expect((expires != nil) == ["approval", "answer"].contains(it.code))
      #expect((lease != nil) == it.showsLease)
      #expect(details.map(JSON.object) == it.details)
      // Nobody else is told.
      let error = await #expect(throws: SimplonError.self) { try await engine.runs.why(run, as: Engine.bob) }
      #expect(error?.code == .runNotFound)
    }
  }

  @Test func `a reason goes when the run goes on, and the soonest of several is the one that counts`() async throws {
    try await Engine.with { engine in
      let run = try await Self.hold(
        [Self.step("a", "noop", backoff: "1h"), Self.step("b", "noop", backoff: "1m")],
        [Self.failed("a"), Self.failed("b")], engine)
      func why() async throws -> JSON { try await JSON(parsing: engine.runs.why(run, as: Engine.alice)) }
      #expect(try await why()["details"] == ["step_id": "b", "retry_in_ms": 60_000])
      try await engine.database.execute("update agent_task_queue set ready_at = now()")
      _ = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1)
      #expect(try await why()["code"] == "running")
      // Steps of another attempt are none of this one's.
      try await engine.database.execute(
        "update agent_steps set status = 'running'; update agent_runs set attempt = 2")
      #expect(try await why()["details"]?["steps"] == [])
    }
  }

  // MARK: How runs come there

  private static let cases: [Case] = [
    Case(
      code: "not_started", message: #"The run was created without starting it; send the action "start"."#
    ) { try await $0.create([step("a", "noop")], start: false) },
    Case(
      code: "no_worker",
      message: #"The run is queued and no worker is alive; start one with "simplon serve --roles worker"."#
    ) { try await $0.create([step("a", "noop")]) },
    Case(
      code: "engine_version",
      message: "The run needs engine version 7, and every living worker is older; upgrade a worker."
    ) { engine in
      try await report(to: engine)
      let run = try await engine.create([step("a", "noop")])
      try await engine.database.execute("update agent_runs set engine_version = 7")
      return run
    },
    Case(code: "queued", message: "The run is queued with 1 ahead of it.", details: ["ahead": 1]) { engine in
      try await report(to: engine)
      _ = try await engine.create([step("a", "noop")])
      return try await engine.create([step("a", "noop")])
    },
    Case(
      code: "running", message: "A worker has the run.",
      details: ["steps": ["b", "c"], "steps_waiting_for_a_sandbox": ["d"]], showsLease: true
    ) {
      try await hold(
        [step("a", "noop"), step("b", "noop"), step("c", "noop", needs: ["a"]), step("d", "noop")],
        [.waits(stepID: "d"), ended("a")], $0)
    },
    Case(
      code: "sandbox", message: "A worker has the run, and all its sandboxes are taken; users take turns.",
      details: ["steps": [], "steps_waiting_for_a_sandbox": ["a"]], showsLease: true
    ) { try await hold([step("a", "noop")], [.waits(stepID: "a")], $0) },
    Case(
      code: "backoff", message: "Step \"a\" failed and is repeated after 1m.",
      details: ["step_id": "a", "retry_in_ms": 60_000]
    ) { try await hold([step("a", "noop", backoff: "1m")], [failed("a")], $0) },
    // So short that the worker keeps the run.
    Case(
      code: "backoff", message: "Step \"a\" failed and is repeated after 2s.",
      details: ["step_id": "a", "retry_in_ms": 2000]
    ) { try await hold([step("a", "noop", backoff: "2s")], [failed("a")], $0) },
    Case(
      code: "run.interrupted", message: "Step \"a\" is begun again after 200ms: stopped from outside.",
      details: ["step_id": "a", "retry_in_ms": 200]
    ) { try await hold([step("a", "noop")], [interrupted("a", .runInterrupted, "stopped from outside")], $0) },
    Case(
      code: "approval", message: "Step \"a\" waits until a person approves its call of \"noop\".",
      details: [
        "step_id": "a", "tool": "noop", "question": "May step \"a\" call the tool \"noop\"?",
        "choices": ["approve", "deny"],
      ]
    ) { try await hold([["id": "a", "tool": "noop", "approval": true]], [], $0) },
    Case(
      code: "answer", message: "Step \"a\" asks: Who?",
      details: ["step_id": "a", "tool": "ask", "question": "Who?", "choices": nil]
    ) { try await hold([["id": "a", "tool": "ask", "with": ["question": "Who?"]]], [], $0) },
    Case(
      code: "run.unknown_effect", message: "Nobody knows whether \"a\" had its effect.", details: ["steps": ["a"]]
    ) { try await hold([step("a", "send")], [interrupted("a", .runInterrupted, "stopped from outside")], $0) },
    Case(code: "model.not_configured", message: "The run has a prompt, and no model is configured.") { engine in
      let run = try await engine.runs.create(
        CreateRun(json: ["prompt": "x"]), idempotencyKey: nil, as: Engine.alice
      ).runID
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "status" && $0.payload.contains("\"waiting\"") }
      }
      return run
    },
    Case(code: "finished", message: "The run is completed.") { try await hold([step("a", "noop")], [ended("a")], $0) },
    Case(code: "finished", message: "The run is failed.") { try await hold([step("a", "noop")], [failed("a")], $0) },
    // Also of one that waited: what it waited for is nobody's concern any more.
    Case(code: "finished", message: "The run is cancelled.") { engine in
      let run = try await hold([step("a", "noop", backoff: "1m")], [failed("a")], engine)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      return run
    },
  ]

  /// What a worker's machine cannot do now, and another's perhaps can.
  private static let faults =
    [SimplonError.Code.storageFull, .storageUnavailable, .toolUnavailable, .serverInternal].map { code in
      Case(
        code: code.rawValue, message: "Step \"a\" is begun again after 15s: it is broken.",
        details: ["step_id": "a", "retry_in_ms": 15_000]
      ) { try await hold([step("a", "noop")], [interrupted("a", code, "it is broken")], $0) }
    }

  private static let tools = ToolCatalog([
    AskTool.declaration, NoopTool.declaration,
    ToolDeclaration(
      name: "send", summary: "Sends something.", inputSchema: ["type": "object"], effect: .manual,
      timeout: .seconds(1), maximumTimeout: .seconds(60)),
  ])

  private static func step(_ id: String, _ tool: JSON, needs: JSON = [], backoff: JSON? = nil) -> JSON {
    var step: [String: JSON] = ["id": .string(id), "tool": tool, "needs": needs]
    step["retry"] = backoff.map { ["max": 1, "backoff": $0] }
    return .object(step)
  }

  private static func ended(_ id: String, _ error: SimplonError? = nil) -> RunMachine.Input {
    .ended(StepEnd(stepID: id, output: .null, error: error, layerHash: nil, jitter: 1))
  }

  private static func failed(_ id: String) -> RunMachine.Input { ended(id, SimplonError(.toolFailed, "no")) }

  private static func interrupted(_ id: String, _ code: SimplonError.Code, _ message: String) -> RunMachine.Input {
    let error = SimplonError(code, message, retry: .backoff)
    return .interrupted(StepEnd(stepID: id, output: .null, error: error, layerHash: nil, jitter: 1))
  }

  /// Says that a worker lives.
  private static func report(to engine: Engine) async throws {
    let report = WorkerReport(
      id: UUID(), name: "test", version: "0", slots: 1, running: 0, sandbox: "none", draining: false)
    _ = try await engine.queue.renew([], report, lease: .seconds(60))
  }

  /// Claims a run of these steps and writes what its machine says after each of these inputs.
  private static func hold(_ steps: JSON, _ inputs: [RunMachine.Input], _ engine: Engine) async throws -> UUID {
    let plan: JSON = ["steps": steps]
    let run = try await engine.insert(plan: plan.text)
    let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
    var machine = RunMachine(plan: try Plan(json: plan, tools: tools), records: [], run: [:])
    let settler = Settler(store: engine.heldRuns, logger: engine.logger)
    let lease = Lease()
    lease.extend(by: .seconds(60), from: Lease.now())
    var base = claim.nextSeq
    for inputs in [[]] + inputs.map({ [$0] }) {
      var turn = machine.turn(after: inputs)
      turn.events += turn.outcome?.events ?? []
      base = try await settler.write(
        Settler.Entry(run: claim.held, attempt: claim.attempt, base: base, turn: turn, lease: lease))
    }
    return run
  }
}
