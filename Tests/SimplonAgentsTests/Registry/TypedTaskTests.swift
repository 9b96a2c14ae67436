import Foundation
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct TypedTaskTests {
  private static let good: JSON = [
    "steps": [["id": "a", "tool": "noop", "with": ["x": "${{ run.metadata.input_data.x }}"]]],
    "output": ["x": "${{ steps.a.output.x }}"],
  ]
  private static let bad: JSON = ["steps": [["id": "a", "tool": "shell", "with": ["command": "exit 3"]]]]

  private func task(
    _ engine: Engine, _ plan: JSON = good, agent: String = "a", as caller: Principal = Engine.alice,
    with more: [String: JSON] = [:]
  ) async throws -> TaskReceipt {
    let usual: [String: JSON] = ["task_type": "t", "plan": plan, "input_data": ["x": 7]]
    let body = JSON.object(usual.merging(more) { _, new in new })
    return try await engine.registry.runTask(
      TaskRequest(agent: agent, json: body), idempotencyKey: nil, as: caller)
  }

  private func execution(_ engine: Engine, _ task: TaskReceipt) async throws -> JSON {
    try await JSON(parsing: engine.registry.execution(task.taskID, as: Engine.alice))
  }

  @Test func `a task's execution is filled as its run goes, and the agent's totals with it`()
    async throws
  {
    try await Engine.with { engine in
      try await engine.register("a")
      let task = try await task(engine)
      let queued = try await execution(engine, task)
      #expect(queued["status"] == "queued" && queued["run_id"]?.string == task.run.runID.uuidString.lowercased())
      #expect(queued["input_data"] == ["x": 7] && queued["agent_id"] == "a" && queued["task_type"] == "t")
      #expect(try await engine.agent("a")["current_task_id"]?.isNull == true)

      _ = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1)
      #expect(try await execution(engine, task)["status"] == "running")
      // Everybody sees the agent, and the task's name is alice's own word.
      #expect(try await engine.agent("a")["current_task_id"]?.isNull == true)
      try await engine.database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
      _ = try await engine.queue.recover()
      #expect(try await execution(engine, task)["status"] == "queued")

      try await engine.withWorker { _ = try await engine.follow(task.run.runID) }
      let done = try await execution(engine, task)
      #expect(done["status"] == "completed" && done["output_data"] == ["x": 7])
      #expect(done["completed_at"]?.string != nil && done["error"]?.isNull == true)
      let time = try await engine.database.execute(
        "select execution_time_seconds = extract(epoch from completed_at - started_at)::float8 from agent_executions")
      #expect(time == ["t"])
      let agent = try await engine.agent("a")
      #expect(agent["total_tasks_completed"] == 1 && agent["total_tasks_failed"] == 0)
      #expect(agent["current_task_id"]?.isNull == true)
    }
  }

  @Test func `an agent's owner sees at which task of its own the agent is`() async throws {
    try await Engine.with { engine in
      try await engine.register("a", owner: Engine.alice)
      let task = try await task(engine)
      _ = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1)
      #expect(try await engine.agent("a")["current_task_id"]?.string == task.taskID)
    }
  }

  @Test func `a failed task has its error, and when it goes on, its execution does and the totals count how it stands`()
    async throws
  {
    try await Engine.with { engine in
      try await engine.register("a")
      let task = try await task(engine, Self.bad)
      func totals() async throws -> [String?] {
        try await engine.database.execute(
          "select total_tasks_completed || ' ' || total_tasks_failed from agent_instances")
      }
      try await engine.withWorker {
        let first = try await engine.follow(task.run.runID)
        let failed = try await execution(engine, task)
        #expect(failed["status"] == "failed" && failed["error"]?["code"]?.string != nil)
        #expect(failed["output_data"]?.isNull == true)
        #expect(try await totals() == ["0 1"])
        try await engine.database.execute(
          "update agent_runs set plan = jsonb_set(plan, '{steps,0,with,command}', '\"true\"')")
        _ = try await engine.runs.act(.retry, on: task.run.runID, as: Engine.alice)
        _ = try await engine.follow(task.run.runID, after: #require(first.last?.seq))
      }
      let done = try await execution(engine, task)
      #expect(done["status"] == "completed" && done["error"]?.isNull == true)
      #expect(try await totals() == ["1 0"])
    }
  }

  @Test func `a task that is stopped is cancelled and counts neither way`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      let task = try await task(engine)
      _ = try await engine.runs.act(.stop, on: task.run.runID, as: Engine.alice)
      let stopped = try await execution(engine, task)
      #expect(stopped["status"] == "cancelled" && stopped["execution_time_seconds"]?.isNull == true)
      let agent = try await engine.agent("a")
      #expect(agent["total_tasks_completed"] == 0 && agent["total_tasks_failed"] == 0)
    }
  }

  @Test func `many runs that end in batches over many agents are all counted, and nobody waits in a circle`()
    async throws
  {
    try await Engine.with { engine in
      for number in 0..<4 { try await engine.register("a\(number)") }
      var tasks = [TaskReceipt]()
      for number in 0..<40 { tasks.append(try await task(engine, agent: "a\(number % 4)")) }
      try await engine.withWorker(slots: 20) {
        try await engine.withWorker(slots: 20) {
          for task in tasks { _ = try await engine.follow(task.run.runID) }
        }
      }
      let totals = try await engine.database.execute(
        "select total_tasks_completed from agent_instances order by agent_id")
      #expect(totals == ["10", "10", "10", "10"])
      #expect(
        try await engine.database.execute("select count(*) from agent_executions where counted <> status") == ["0"])
    }
  }

  @Test func `a run that is no task has no execution`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]])
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await engine.database.execute("select count(*) from agent_executions") == ["0"])
    }
  }

  @Test func `the same name gives the same task, and another user's name is taken`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      let first = try await task(engine, with: ["task_id": "one"])
      let again = try await task(engine, with: ["task_id": "one"])
      #expect(first.run.isNew && !again.run.isNew && first.run.runID == again.run.runID && again.taskID == "one")
      await expectError(.requestIdempotency) {
        _ = try await task(engine, with: ["task_id": "one", "input_data": [:]])
      }
      await expectError(.executionState) { _ = try await task(engine, as: Engine.bob, with: ["task_id": "one"]) }
      // And nothing is left of the run that would have done it.
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["1"])
    }
  }

  @Test func `an agent in maintenance, unknown or another user's takes no task`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      try await engine.register("bobs", owner: Engine.bob)
      _ = try await engine.registry.change("a", AgentChange(json: ["status": "maintenance"]), as: Engine.service)
      await expectError(.agentState) { _ = try await task(engine) }
      for agent in ["bobs", "nobody"] { await expectError(.agentNotFound) { _ = try await task(engine, agent: agent) } }
      let bobs = try await task(engine, agent: "bobs", as: Engine.bob)
      #expect(bobs.run.isNew)
    }
  }

  @Test func `a plan is checked as any other, before anything is stored`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      await expectError(.planUnknownTool) { _ = try await task(engine, ["steps": [["id": "a", "tool": "magic"]]]) }
      #expect(try await engine.database.execute("select count(*) from agent_executions") == ["0"])
    }
  }

  @Test func `what has priority is claimed first, also after its worker was lost, and only the service gives it`()
    async throws
  {
    try await Engine.with { engine in
      try await engine.register("a")
      let usual = try await task(engine)
      let humble = try await task(engine, with: ["priority": -5])
      await expectError(.authForbidden) { _ = try await task(engine, with: ["priority": 1]) }
      let urgent = try await task(engine, as: Engine.service, with: ["priority": 5])
      let order = [urgent, usual, humble].map(\.run.runID)
      func claimed() async throws -> [UUID] {
        var runs = [UUID]()
        for _ in order {
          runs += try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).map(\.held.id)
        }
        return runs
      }
      #expect(try await claimed() == order)
      try await engine.database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
      #expect(try await engine.queue.recover().count == 3)
      #expect(try await claimed() == order)
    }
  }

  @Test func `the anon key runs no task`() async throws {
    try await Engine.with { engine in
      try await engine.register("a")
      await expectError(.authForbidden) { _ = try await task(engine, as: Principal(role: .anon, source: .key)) }
    }
  }
}
