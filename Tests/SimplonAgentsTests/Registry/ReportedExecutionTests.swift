import Foundation
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct ReportedExecutionTests {
  private func report(
    _ engine: Engine, _ task: String, agent: String = "bobs", as caller: Principal = Engine.bob,
    with more: [String: JSON] = [:]
  ) async throws -> JSON {
    let usual: [String: JSON] = ["task_id": .string(task), "agent_id": .string(agent), "task_type": "t"]
    let report = try ExecutionReport(json: .object(usual.merging(more) { _, new in new }))
    return try await JSON(parsing: engine.registry.report(report, as: caller).execution)
  }

  private func change(
    _ engine: Engine, _ task: String, _ changes: JSON, as caller: Principal = Engine.bob
  ) async throws -> JSON {
    try await JSON(
      parsing: engine.registry.change(execution: task, ExecutionChange(json: changes), as: caller))
  }

  private func list(_ engine: Engine, as caller: Principal, _ query: ListQuery = ListQuery()) async throws -> [String] {
    try await JSON(parsing: engine.registry.executions(query, as: caller))["executions"]?.array?
      .compactMap { $0["task_id"]?.string } ?? []
  }

  @Test func `an owner reports what its agent does, and the totals follow`() async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      let begun = try await report(engine, "one", with: ["status": "running", "input_data": ["n": 1]])
      #expect(begun["user_id"]?.string == Engine.bob.subject?.uuidString.lowercased())
      #expect(begun["started_at"]?.string != nil && begun["completed_at"]?.isNull == true)
      #expect(try await engine.agent("bobs")["current_task_id"] == "one")
      let ended = try await change(engine, "one", ["status": "completed", "output_data": ["ok": true]])
      #expect(ended["output_data"] == ["ok": true] && ended["completed_at"]?.string != nil)
      #expect(ended["execution_time_seconds"]?.isNull == false)
      _ = try await report(
        engine, "two", with: ["status": "failed", "error": ["why": "no"], "execution_time_seconds": .number("2.5")])
      let agent = try await engine.agent("bobs")
      #expect(agent["total_tasks_completed"] == 1 && agent["total_tasks_failed"] == 1)
      #expect(agent["current_task_id"]?.isNull == true)
      #expect(try await list(engine, as: Engine.bob) == ["two", "one"])
    }
  }

  @Test func `a report that comes twice is taken once, and one that differs is refused`() async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      _ = try await report(engine, "one", with: ["status": "running"])
      _ = try await change(engine, "one", ["status": "completed"])
      #expect(try await report(engine, "one", with: ["status": "running"])["status"] == "completed")
      await expectError(.executionState) { _ = try await report(engine, "one", with: ["input_data": ["n": 2]]) }
      await expectError(.executionState) { _ = try await report(engine, "one", as: Engine.service) }
      #expect(try await engine.agent("bobs")["total_tasks_completed"] == 1)
    }
  }

  @Test(arguments: ["completed", "failed", "cancelled"])
  func `what has ended is not changed again`(_ status: String) async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      _ = try await report(engine, "one", with: ["status": .string(status)])
      for caller in [Engine.bob, Engine.service] {
        await expectError(.executionState) { _ = try await change(engine, "one", ["quality_score": 1], as: caller) }
      }
    }
  }

  @Test func `only the service and the owner report, and only the service for others`() async throws {
    try await Engine.with { engine in
      try await engine.register("shared")
      try await engine.register("bobs", owner: Engine.bob)
      let alice = JSON.string(try #require(Engine.alice.subject).uuidString)
      await expectError(.authForbidden) { _ = try await report(engine, "x", agent: "shared") }
      await expectError(.agentNotFound) { _ = try await report(engine, "x", as: Engine.alice) }
      await expectError(.agentNotFound) { _ = try await report(engine, "x", agent: "nobody", as: Engine.service) }
      await expectError(.authForbidden) { _ = try await report(engine, "x", with: ["user_id": alice]) }
      let mine = try await report(engine, "for-alice", agent: "shared", as: Engine.service, with: ["user_id": alice])
      #expect(mine["user_id"]?.string == Engine.alice.subject?.uuidString.lowercased())
      #expect(try await list(engine, as: Engine.alice) == ["for-alice"])
      #expect(try await list(engine, as: Engine.bob) == [])
      await expectError(.authForbidden) {
        _ = try await change(engine, "for-alice", ["status": "failed"], as: Engine.alice)
      }
      await expectError(.executionNotFound) { _ = try await change(engine, "for-alice", ["status": "failed"]) }
      await expectError(.executionNotFound) {
        _ = try await engine.registry.execution("for-alice", as: Engine.bob)
      }
    }
  }

  @Test func `the engine's own execution follows its run and nobody's word`() async throws {
    try await Engine.with { engine in
      try await engine.register("bobs", owner: Engine.bob)
      let task = try await engine.registry.runTask(
        TaskRequest(agent: "bobs", json: ["task_type": "t", "prompt": "x"]), idempotencyKey: nil, as: Engine.bob)
      for caller in [Engine.bob, Engine.service] {
        await expectError(.executionState) {
          _ = try await change(engine, task.taskID, ["status": "completed"], as: caller)
        }
      }
      await expectError(.executionState) { _ = try await report(engine, task.taskID) }
    }
  }

  @Test func `history is filtered by agent, type, status and time, and goes on where it was cut`() async throws {
    try await Engine.with { engine in
      for agent in ["bobs", "other"] { try await engine.register(agent, owner: Engine.bob) }
      for number in 0..<6 {
        _ = try await report(
          engine, "t\(number)", agent: number < 4 ? "bobs" : "other",
          with: ["task_type": number % 2 == 0 ? "even" : "odd", "status": number == 3 ? "failed" : "running"])
      }
      func found(_ make: (inout ListQuery) -> Void) async throws -> [String] {
        var query = ListQuery()
        make(&query)
        return try await list(engine, as: Engine.bob, query)
      }
      #expect(try await found { $0.agentID = "other" } == ["t5", "t4"])
      #expect(try await found { $0.taskType = "even" } == ["t4", "t2", "t0"])
      #expect(try await found { $0.status = "failed" } == ["t3"])
      #expect(try await found { $0.agentType = "quiz_generator" } == [])
      await expectError(.agentNotFound) { _ = try await found { $0.agentID = "nobody" } }

      // The first two were made two days ago.
      try await engine.database.execute(
        """
        update agent_executions set created_at = now() - interval '2 days',
          id = overlay(id::text placing left(simplon.uuid_v7_floor(now() - interval '2 days')::text, 13) from 1)::uuid
        where task_id in ('t0', 't1')
        """)
      #expect(try await found { $0.hours = 47 } == ["t5", "t4", "t3", "t2"])
      #expect(try await found { $0.hours = 49 }.count == 6)
      let yesterday = Int64(Date().timeIntervalSince1970 - 86_400) * 1_000_000
      #expect(try await found { $0.since = yesterday }.count == 4)

      var query = ListQuery()
      query.limit = 4
      let first = try await JSON(parsing: engine.registry.executions(query, as: Engine.bob))
      query.cursor = first["next_cursor"]?.string
      #expect(query.cursor != nil)
      #expect(try await Set(list(engine, as: Engine.bob, query)) == ["t0", "t1"])
    }
  }
}
