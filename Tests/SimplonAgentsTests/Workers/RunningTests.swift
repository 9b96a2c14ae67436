import Foundation
import ServiceLifecycleTestKit
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct RunningTests {
  private let chain: JSON = [
    ["id": "a", "tool": "noop", "with": ["n": 1]],
    ["id": "b", "tool": "noop", "needs": ["a"], "with": ["from": "${{ steps.a.output.n }}"]],
  ]

  @Test func `a plan runs from created to completed, and the stream is the log`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(chain)
      let events = try await engine.withWorker { try await engine.follow(run) }
      #expect(events.map(\.seq) == Array(1...Int64(events.count)))
      #expect(events.map(\.kind) == ["status", "status", "step", "step", "step", "step", "done"])
      let stored = try await engine.runs.logs(of: run, after: 0, limit: 100, level: nil, as: Engine.alice)
      #expect(stored == events)
      let status = try await engine.status(run, lists: [.steps, .logs])
      #expect(status["status"] == "completed")
      #expect(status["steps"]?["items"]?.array?.last?["output"] == ["from": 1])
      #expect(status["logs"]?["items"]?.array?.count == events.count)
    }
  }

  @Test func `a stream resumed at any event gives exactly the rest`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(chain)
      let all = try await engine.withWorker { try await engine.follow(run) }
      for event in all.dropLast() {
        #expect(try await engine.follow(run, after: event.seq) == all.filter { $0.seq > event.seq })
      }
    }
  }

  @Test func `a prompt without a model waits and says so`() async throws {
    try await Engine.with { engine in
      let receipt = try await engine.runs.create(
        CreateRun(json: ["prompt": "hello"]), idempotencyKey: nil, as: Engine.alice)
      try await engine.withWorker {
        try await engine.wait(for: receipt.runID) { $0.payload.contains("model.not_configured") }
      }
      #expect(try await engine.status(receipt.runID)["status"] == "waiting")
      let why = try await JSON(parsing: engine.runs.why(receipt.runID, as: Engine.alice))
      #expect(why["code"] == "model.not_configured")
    }
  }

  @Test func `a run whose worker is gone is taken up by another, with settled steps kept`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(chain)
      // A worker that claims, settles the first step and is never heard of again.
      let ghost = UUID()
      let claim = try #require(try await engine.queue.claim(worker: ghost, lease: .seconds(1), slots: 1).first)
      var machine = RunMachine(
        plan: try Plan(json: #require(claim.plan), tools: engine.tools.catalog), records: [], run: [:])
      let settler = Settler(queue: engine.queue, logger: engine.logger)
      let lease = Lease()
      let next = try await settler.write(
        Settler.Entry(run: claim.held, attempt: 1, base: claim.nextSeq, turn: machine.turn(), lease: lease))
      let turn = machine.turn(
        after: [.ended(StepEnd(stepID: "a", output: ["n": 41], error: nil, layerHash: nil, jitter: 0))])
      _ = try await settler.write(
        Settler.Entry(run: claim.held, attempt: 1, base: next, turn: turn, lease: lease))

      let events = try await engine.withWorker(lease: .seconds(1)) { try await engine.follow(run) }
      #expect(events.contains { $0.payload.contains("lease_lost") })
      let status = try await engine.status(run, lists: [.steps])
      #expect(status["status"] == "completed")
      #expect(status["steps"]?["items"]?.array?.last?["output"] == ["from": 41])
      #expect(events.map(\.seq) == Array(1...Int64(events.count)))
    }
  }

  @Test func `a stale epoch writes nothing, and is told`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(chain)
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(1), slots: 1).first)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      let before = try await engine.runs.logs(of: run, after: 0, limit: 100, level: nil, as: Engine.alice)
      let settler = Settler(queue: engine.queue, logger: engine.logger)
      var turn = RunTurn(events: [RunEvent(kind: "log", payload: ["text": "late"])])
      turn.outcome = .completed(result: "late")
      for base in [claim.nextSeq, claim.nextSeq + 1] {
        let error = await #expect(throws: SimplonError.self) {
          try await settler.write(
            Settler.Entry(run: claim.held, attempt: 1, base: base, turn: turn, lease: Lease()))
        }
        #expect(error?.code == .runStale)
      }
      #expect(try await engine.status(run)["status"] == "cancelled")
      #expect(try await engine.runs.logs(of: run, after: 0, limit: 100, level: nil, as: Engine.alice) == before)
    }
  }

  @Test func `a write sent twice is written once and answered twice`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(chain)
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let settler = Settler(queue: engine.queue, logger: engine.logger)
      for count in [1, 64] {
        let start = try #require(try await engine.queue.streamStart(of: run))
        let turn = RunTurn(events: (0..<count).map { RunEvent(kind: "log", payload: ["n": .integer($0)]) })
        let entry = Settler.Entry(run: claim.held, attempt: 1, base: start.lastSeq + 1, turn: turn, lease: Lease())
        let first = try await settler.write(entry)
        let second = try await settler.write(entry)
        #expect(first == second)
        #expect(try await engine.queue.streamStart(of: run)?.lastSeq == start.lastSeq + Int64(count))
      }
    }
  }

  @Test func `one run's bad value does not hold up the batch it travels in`() async throws {
    try await Engine.with { engine in
      _ = try await engine.create(chain)
      _ = try await engine.create(chain)
      let claims = try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 2)
      let good = try #require(claims.first)
      let bad = try #require(claims.last)
      let settler = Settler(queue: engine.queue, logger: engine.logger)
      let wrong = RunTurn(events: [RunEvent(kind: "no such kind", payload: [:])])
      let right = RunTurn(events: [RunEvent(kind: "log", payload: [:])])
      async let failing = Result.of {
        try await settler.write(
          Settler.Entry(run: bad.held, attempt: 1, base: bad.nextSeq, turn: wrong, lease: Lease()))
      }
      async let passing = Result.of {
        try await settler.write(
          Settler.Entry(run: good.held, attempt: 1, base: good.nextSeq, turn: right, lease: Lease()))
      }
      let results = await (failing, passing)
      #expect(throws: SimplonError.self) { try results.0.get() }
      #expect(try results.1.get() == good.nextSeq + 1)
    }
  }

  @Test func `stop ends a running step at once, resume goes on, retry begins again`() async throws {
    try await Engine.with { engine in
      let mark = UUID().uuidString
      let run = try await engine.create([
        ["id": "a", "tool": "shell", "with": ["command": .string("sleep 300 # \(mark)")]]
      ])
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "step" && $0.payload.contains("running") }
        let begun = ContinuousClock.now
        #expect(try await engine.runs.act(.stop, on: run, as: Engine.alice) == "cancelled")
        while isRunning(mark) { await Task.yield() }
        #expect(ContinuousClock.now - begun < .seconds(2))
        #expect(try await engine.runs.act(.stop, on: run, as: Engine.alice) == "cancelled")
        #expect(try await engine.runs.act(.resume, on: run, as: Engine.alice) == "queued")
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
        #expect(try await engine.runs.act(.retry, on: run, as: Engine.alice) == "queued")
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      }
      #expect(try await engine.status(run)["attempt"] == 2)
      let error = await #expect(throws: SimplonError.self) {
        try await engine.runs.act(.start, on: run, as: Engine.alice)
      }
      #expect(error?.code == .runState)
    }
  }

  @Test func `a failing step is repeated after its backoff and its failures are counted`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([
        ["id": "a", "tool": "shell", "with": ["command": "exit 3"], "retry": ["max": 2, "backoff": "10ms"]]
      ])
      let events = try await engine.withWorker { try await engine.follow(run) }
      #expect(events.filter { $0.kind == "step" && $0.payload.contains("\"running\"") }.count == 3)
      #expect(events.contains { $0.kind == "status" && $0.payload.contains("retrying") })
      let status = try await engine.status(run, lists: [.steps])
      #expect(status["status"] == "failed")
      #expect(status["error"]?["code"] == "tool.failed")
      #expect(status["steps"]?["items"]?.array?.first?["failures"] == 2)
    }
  }

  @Test func `files pass along needs, and artifacts are kept`() async throws {
    try await Engine.with { engine in
      let plan: JSON = [
        "steps": [
          [
            "id": "a", "tool": "python",
            "with": ["code": "open('x.txt', 'w').write('42')\nprint('wrote')\nfor n in range(5): print(n)"],
          ],
          ["id": "b", "tool": "shell", "needs": ["a"], "with": ["command": "cat x.txt; echo done > y.md"]],
        ],
        "output": ["answer": "${{ steps.b.output.stdout }}"], "artifacts": ["*.md"],
      ]
      let run = try await engine.runs.create(CreateRun(json: ["plan": plan]), idempotencyKey: nil, as: Engine.alice)
        .runID
      let events = try await engine.withWorker { try await engine.follow(run) }
      #expect(events.contains { $0.kind == "log" && $0.payload.contains("wrote") })
      let listed = try await engine.status(run, lists: [.logs])["logs"]?["items"]?.array ?? []
      #expect(listed.count > 10)
      #expect(listed.compactMap { $0["seq"]?.integer } == Array(1...listed.count))
      let status = try await engine.status(run, lists: [.artifacts])
      #expect(status["result"] == ["answer": "42"])
      let item = try #require(status["artifacts"]?["items"]?.array?.first)
      let id = try #require(item["id"]?.string.flatMap(UUID.init(uuidString:)))
      let artifact = try await engine.runs.artifact(id, as: Engine.alice)
      #expect(try String(contentsOfFile: artifact.file, encoding: .utf8) == "done\n")
      let error = await #expect(throws: SimplonError.self) { try await engine.runs.artifact(id, as: Engine.bob) }
      #expect(error?.code == .runArtifactNotFound)
    }
  }

  @Test func `a worker that is told to stop hands its run back after the grace period`() async throws {
    try await Engine.with { engine in
      let mark = UUID().uuidString
      let run = try await engine.create([
        ["id": "a", "tool": "shell", "with": ["command": .string("sleep 300 # \(mark)")]]
      ])
      let worker = engine.worker(lease: .seconds(30), grace: .milliseconds(200))
      try await testGracefulShutdown { trigger in
        try await withThrowingTaskGroup { group in
          group.addTask { try await worker.run() }
          try await engine.wait(for: run) { $0.kind == "step" && $0.payload.contains("running") }
          trigger.triggerGracefulShutdown()
          try await group.waitForAll()
        }
      }
      #expect(!isRunning(mark))
      #expect(try await engine.status(run)["status"] == "queued")
    }
  }
}

extension Result where Failure == any Error, Success: Sendable {
  fileprivate static func of(_ body: () async throws -> Success) async -> Self {
    do { return .success(try await body()) } catch { return .failure(error) }
  }
}

/// Whether a process with this text in its command line is alive, in whichever namespace.
private func isRunning(_ mark: String) -> Bool {
  let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return processes.contains { process in
    guard Int(process) != nil, let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else {
      return false
    }
    return line.range(of: Data(mark.utf8)) != nil
  }
}
