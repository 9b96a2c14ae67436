import Foundation
import ServiceLifecycleTestKit
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// What becomes of steps that do not come to their end by themselves.
@Suite(.timeLimit(.minutes(1)))
struct DrainTests {
  private func sleeping(_ mark: String, _ ids: [String] = ["a"]) -> JSON {
    .array(ids.map { ["id": .string($0), "tool": "shell", "with": ["command": .string("sleep \(mark)")]] })
  }

  private func isBegun(_ event: StoredEvent) -> Bool { event.kind == "step" && event.payload.contains("\"running\"") }

  /// Runs a worker, and tells it to stop once the run's first step is under way.
  private func drain(_ engine: Engine, _ run: UUID, grace: Duration) async throws {
    let worker = engine.worker(lease: .seconds(30), grace: grace)
    try await testGracefulShutdown { trigger in
      try await withThrowingTaskGroup { group in
        group.addTask { try await worker.run() }
        try await engine.wait(for: run, until: isBegun)
        trigger.triggerGracefulShutdown()
        try await group.waitForAll()
      }
    }
  }

  @Test func `a worker that is told to stop hands its run back after the grace period`() async throws {
    try await Engine.with { engine in
      let mark = uniqueMark()
      let run = try await engine.create(sleeping(mark))
      try await drain(engine, run, grace: .milliseconds(200))
      #expect(!isRunning(mark))
      #expect(try await engine.status(run)["status"] == "queued")
      // And it says at once that it is gone.
      let why = try await JSON(parsing: engine.runs.why(run, as: Engine.alice))
      #expect(why["code"] == "no_worker")
    }
  }

  @Test func `a step that ends within the grace period is settled`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "shell", "with": ["command": "sleep 0.3"]]])
      try await drain(engine, run, grace: .seconds(20))
      #expect(try await engine.status(run)["status"] == "completed")
    }
  }

  private func end(_ id: String) -> RunExecution.Signal {
    .input(.ended(StepEnd(stepID: id, output: ["of": .string(id)], error: nil, layerHash: nil, jitter: 0)))
  }

  /// Executes a run until it is handed back: its step `a` ends, and while that is written, these signals come.
  private func execute(_ engine: Engine, _ run: UUID, meanwhile signals: [RunExecution.Signal]) async throws {
    let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
    let inbox = Inbox<RunExecution.Signal>()
    let lease = Lease()
    lease.extend(by: .seconds(60), from: Lease.now())
    let execution = RunExecution(
      claim: claim, lease: lease, inbox: inbox, store: engine.heldRuns,
      settler: Settler(store: engine.heldRuns, logger: engine.logger), tools: engine.tools, models: ModelRouter([]),
      wakeUp: engine.wakeUp, use: RecentUse(), intake: Intake(limits: IntakeLimits()) { _, _ in 0 },
      logger: engine.logger, caps: SpendingCaps(), longestHold: .zero)
    try await withThrowingTaskGroup { group in
      group.addTask { await execution.run() }
      try await engine.wait(for: run, until: isBegun)
      try await engine.withLocked([run]) {
        inbox.post(end("a"))
        try await engine.waitUntilBlocked(1)
        for signal in signals { inbox.post(signal) }
      }
      try await group.waitForAll()
    }
  }

  @Test func `what had ended when the grace period was over is written before the run is handed back`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(sleeping(uniqueMark(), ["a", "b"]))
      try await execute(engine, run, meanwhile: [end("b"), .handBack])
      #expect(try await engine.status(run)["status"] == "completed")
    }
  }

  @Test func `what was allowed right before the end of the grace period is left to the next holder`() async throws {
    try await Engine.with { engine in
      let asked: JSON = ["id": "c", "tool": "noop", "approval": true]
      let run = try await engine.create(.array((sleeping(uniqueMark(), ["a", "b"]).array ?? []) + [asked]))
      let approved = PersonResponse(json: ["decision": "approve"])
      try await execute(engine, run, meanwhile: [.input(.responded(stepID: "c", approved)), .handBack])
      #expect(try await engine.status(run)["status"] == "queued")
      let step = try await engine.database.execute(
        "select status || ' ' || effect from agent_steps where step_id = 'c'")
      #expect(step == ["waiting intent"])
    }
  }

  @Test func `a step whose guard is stopped from outside is begun again and has not failed`() async throws {
    try await Engine.with { engine in
      let mark = uniqueMark()
      let run = try await engine.create(sleeping(mark))
      try await engine.withWorker {
        try await engine.wait(for: run, until: isBegun)
        #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
        let begun = try await engine.logs.start(of: run).lastSeq
        kill(try #require(guardProcess(of: mark)), SIGTERM)
        try await engine.wait(for: run, after: begun, until: isBegun)
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      }
      let events = try await engine.runs.logs(of: run, after: 0, limit: 100, level: nil, as: Engine.alice)
      #expect(events.contains { $0.kind == "step" && $0.payload.contains("run.interrupted") })
      #expect(!events.contains { $0.payload.contains("\"failed\"") })
    }
  }

  @Test func `a backoff is kept when the run is taken up by another`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([
        ["id": "a", "tool": "shell", "with": ["command": "exit 3"], "retry": ["max": 2, "backoff": "10m"]]
      ])
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "status" && $0.payload.contains("retrying") }
      }
      let record = try #require(try await engine.heldRuns.steps(of: run, attempt: 1).first)
      #expect(record.status == .waiting)
      #expect(try #require(record.retryIn) > .seconds(200))
      // Somebody queues it too early.
      try await engine.database.execute("update agent_task_queue set ready_at = now()")
      let last = try await engine.logs.start(of: run).lastSeq
      try await engine.withWorker {
        try await engine.wait(for: run, after: last) { $0.kind == "status" && $0.payload.contains("retrying") }
      }
      let events = try await engine.runs.logs(of: run, after: last, limit: 100, level: nil, as: Engine.alice)
      #expect(!events.contains(where: isBegun))
    }
  }

  /// The guard above the program with this text in its command line.
  private func guardProcess(of mark: String) -> pid_t? {
    var process = processes(with: "sleep\0\(mark)").first
    while let id = process, id > 1 {
      let line = FileManager.default.contents(atPath: "/proc/\(id)/cmdline") ?? Data()
      if line.range(of: Data("__guard".utf8)) != nil { return id }
      let status = String(decoding: FileManager.default.contents(atPath: "/proc/\(id)/status") ?? Data(), as: UTF8.self)
      process = status.split(separator: "\n").first { $0.hasPrefix("PPid:") }
        .flatMap { pid_t($0.dropFirst(5).trimmingCharacters(in: .whitespaces)) }
    }
    return nil
  }
}
