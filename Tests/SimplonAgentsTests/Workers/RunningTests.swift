import Foundation
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
        plan: try Plan(json: JSON(parsing: #require(claim.plan)), tools: engine.tools.catalog), records: [], run: [:])
      let settler = Settler(store: engine.heldRuns, logger: engine.logger)
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
      let settler = Settler(store: engine.heldRuns, logger: engine.logger)
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
      let settler = Settler(store: engine.heldRuns, logger: engine.logger)
      for count in [1, 64] {
        let start = try await engine.logs.start(of: run)
        let turn = RunTurn(
          lines: (0..<count).map { StepLine(stepID: "a", line: LogLine(text: "\($0)", stream: .stdout)) })
        let entry = Settler.Entry(run: claim.held, attempt: 1, base: start.lastSeq + 1, turn: turn, lease: Lease())
        let first = try await settler.write(entry)
        let second = try await settler.write(entry)
        #expect(first == second)
        #expect(try await engine.logs.start(of: run).lastSeq == start.lastSeq + Int64(count))
      }
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
        for action in [RunAction.resume, .retry] {
          let last = try await engine.logs.start(of: run).lastSeq
          #expect(try await engine.runs.act(action, on: run, as: Engine.alice) == "queued")
          try await engine.wait(for: run, after: last) { $0.kind == "step" && $0.payload.contains("running") }
          #expect(try await engine.runs.act(.stop, on: run, as: Engine.alice) == "cancelled")
          while isRunning(mark) { await Task.yield() }
        }
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

  @Test func `what a run's layers and artifacts need stays in the file store, and nobody's files go, once a day`()
    async throws
  {
    try await Engine.with { engine in
      let code = "open('kept.md', 'w').write('kept')\nopen('other.txt', 'w').write('other')\n"
      let plan: JSON = [
        "steps": [
          [
            "id": "a", "tool": "python",
            "with": ["code": .string(code + "import os\nos.write(1, b'\\xff')")],
          ]
        ], "artifacts": ["*.md"],
      ]
      let run = try await engine.runs.create(CreateRun(json: ["plan": plan]), idempotencyKey: nil, as: Engine.alice)
        .runID
      _ = try await engine.withWorker { try await engine.follow(run) }
      let blobs = engine.tools.blobs
      let orphan = try await blobs.put(Array("nobody's".utf8), for: Engine.alice.subject)
      let folder = "\(blobs.root)/\(blobs.folder(of: Engine.alice.subject))"
      let before = try FileManager.default.contentsOfDirectory(atPath: folder)
      // The files, the layer that names them, what was printed as it was, and the orphan.
      #expect(before.count == 5)
      for name in before {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -100_000)], ofItemAtPath: "\(folder)/\(name)")
      }
      try await engine.upkeep().sweepFiles()
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == before.count)  // had its turn

      _ = try await engine.database.execute("delete from simplon.settings where name like 'turn:%'")
      try await engine.upkeep().sweepFiles()
      let after = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(Set(after) == Set(before).subtracting([orphan.sha256]))
    }
  }
}

/// Whether a process with this text in its command line is alive, in whichever namespace.
func isRunning(_ mark: String) -> Bool {
  let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return processes.contains { process in
    guard Int(process) != nil, let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else {
      return false
    }
    return line.range(of: Data(mark.utf8)) != nil
  }
}
