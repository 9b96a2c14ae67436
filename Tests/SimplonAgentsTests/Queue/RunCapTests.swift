import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// How many runs may be at work at once.
@Suite(.timeLimit(.minutes(1)))
struct RunCapTests {
  private func claim(_ slots: Int, on engine: Engine) async throws -> [UUID?] {
    try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: slots).map(\.userID)
  }

  /// Queues runs of a caller; gives their ids.
  private func queue(_ count: Int, as caller: Principal, on engine: Engine) async throws -> [UUID] {
    var runs = [UUID]()
    for _ in 0..<count { runs.append(try await engine.create([["id": "a", "tool": "noop"]], as: caller)) }
    return runs
  }

  @Test func `a user at its cap is passed by, says so, and goes on when one of its runs has ended`() async throws {
    try await Engine.with { engine in
      try await engine.queue.setCaps(perUser: 2, total: nil)
      let report = WorkerReport(
        id: UUID(), name: "test", version: "0", slots: 8, running: 0, sandbox: "none", draining: false)
      _ = try await engine.queue.renew([], report, lease: .seconds(60))
      let runs = try await queue(5, as: Engine.alice, on: engine)
      #expect(try await claim(8, on: engine) == [Engine.alice.subject, Engine.alice.subject])
      _ = try await queue(1, as: Engine.bob, on: engine)
      #expect(try await claim(8, on: engine) == [Engine.bob.subject])
      #expect(try await claim(8, on: engine) == [])
      let why = try await JSON(parsing: engine.runs.why(#require(runs.last), as: Engine.alice))
      #expect(why["code"] == "tenant_cap")
      #expect(why["details"] == ["limit": 2])
      #expect(try await engine.runs.act(.stop, on: #require(runs.first), as: Engine.alice) == "cancelled")
      #expect(try await claim(8, on: engine) == [Engine.alice.subject])
      // Without a cap there is none.
      try await engine.queue.setCaps(perUser: nil, total: nil)
      #expect(try await claim(8, on: engine).count == 2)
    }
  }

  @Test func `there is a cap for all together`() async throws {
    try await Engine.with { engine in
      try await engine.queue.setCaps(perUser: nil, total: 3)
      let report = WorkerReport(
        id: UUID(), name: "test", version: "0", slots: 8, running: 0, sandbox: "none", draining: false)
      _ = try await engine.queue.renew([], report, lease: .seconds(60))
      _ = try await queue(3, as: Engine.alice, on: engine)
      let runs = try await queue(3, as: Engine.bob, on: engine)
      #expect(try await claim(2, on: engine).count == 2)
      #expect(try await claim(8, on: engine).count == 1)
      #expect(try await claim(8, on: engine) == [])
      let waiting = try await engine.database.execute("select run_id from agent_task_queue order by created_at desc")
      let last = try #require(waiting.first.flatMap { $0 })
      #expect(runs.map { $0.uuidString.lowercased() }.contains(last))
      let why = try await JSON(parsing: engine.runs.why(#require(UUID(uuidString: last)), as: Engine.bob))
      #expect(why["code"] == "total_cap")
    }
  }

  @Test func `eight workers that claim at once pass no cap`() async throws {
    try await Engine.with { engine in
      try await engine.queue.setCaps(perUser: 5, total: 8)
      _ = try await queue(20, as: Engine.alice, on: engine)
      _ = try await queue(20, as: Engine.bob, on: engine)
      let claimed = try await withThrowingTaskGroup(of: [UUID?].self) { group in
        for _ in 0..<8 { group.addTask { try await claim(4, on: engine) } }
        return try await group.reduce(into: [UUID?]()) { $0 += $1 }
      }
      #expect(claimed.count == 8)
      #expect(claimed.count(where: { $0 == Engine.alice.subject }) <= 5)
      #expect(claimed.count(where: { $0 == Engine.bob.subject }) <= 5)
    }
  }

  @Test func `a worker sets the caps before it claims`() async throws {
    try await Engine.with { engine in
      try await engine.queue.setCaps(perUser: 1, total: 1)
      let runs = try await queue(3, as: Engine.alice, on: engine)
      // Its own are none.
      try await engine.withWorker { for run in runs { _ = try await engine.follow(run) } }
      let caps = try await engine.database.execute(
        "select name || '=' || value from simplon.settings where name in ('runs_per_user', 'runs_total') order by 1")
      #expect(caps == ["runs_per_user=", "runs_total="])
    }
  }
}
