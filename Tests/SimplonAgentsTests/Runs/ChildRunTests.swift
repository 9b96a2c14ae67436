import FoundationEssentials
import SimplonCluster
import SimplonCore
import TestSupport
import Testing

@testable import SimplonAgents

/// Runs that steps of other runs make, on a real database.
@Suite(.timeLimit(.minutes(2)))
struct ChildRunTests {
  private let noop: JSON = [["id": "x", "tool": "noop", "with": ["n": "${{ run.metadata.n }}"]]]

  /// A step that makes a run of these steps.
  private func child(_ id: String, _ steps: JSON, _ more: [String: JSON] = [:]) -> JSON {
    var input: [String: JSON] = ["plan": ["steps": steps]]
    input.merge(more) { $1 }
    return ["id": .string(id), "tool": "run", "with": .object(input)]
  }

  private func id(_ json: JSON?) throws -> UUID { try #require(json?.string.flatMap { UUID(uuidString: $0) }) }

  @Test func `a step makes a run, and its own run waits for that one`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop, ["metadata": ["n": 7]])])
      let events = try await engine.withWorker { try await engine.follow(run) }
      #expect(events.contains { $0.payload.contains("child_run") })
      let status = try await engine.status(run, lists: [.steps])
      #expect(status["status"] == "completed")
      let output = status["steps"]?["items"]?.array?.first?["output"]
      #expect(output?["status"] == "completed")
      let made = try await engine.status(try id(output?["run_id"]), lists: [.steps])
      #expect(made["parent_id"]?.string == run.uuidString.lowercased())
      #expect(made["steps"]?["items"]?.array?.first?["output"] == ["n": 7])
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["2"])
    }
  }

  @Test func `a step that does not wait goes on at once`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop, ["wait": false])])
      let events = try await engine.withWorker { try await engine.follow(run) }
      #expect(!events.contains { $0.payload.contains("child_run") })
      let step = try await engine.status(run, lists: [.steps])["steps"]?["items"]?.array?.first
      #expect(step?["status"] == "completed")
      #expect(step?["output"]?["run_id"]?.string != nil)
    }
  }

  @Test func `a run that fails fails the step that made it, and a resume resumes both`() async throws {
    try await Engine.with { engine in
      let steps: JSON = [["id": "x", "tool": "files", "with": ["op": "read", "path": "nothing"]]]
      let run = try await engine.create([child("a", steps)])
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let error = try await engine.status(run)["error"]
        #expect(error?["code"] == "run.child_failed")
        let below = try id(error?["details"]?["run_id"])
        let last = try await engine.logs.start(of: run).lastSeq
        #expect(try await engine.runs.act(.resume, on: run, as: Engine.alice) == "queued")
        _ = try await engine.follow(run, after: last)
        #expect(try await engine.status(run)["error"]?["details"]?["run_id"] == error?["details"]?["run_id"])
        let events = try await engine.runs.logs(of: below, after: 0, limit: 100, level: nil, as: Engine.alice)
        #expect(events.contains { $0.payload.contains("resume") })
      }
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["2"])
    }
  }

  @Test func `the files that a run kept come into the folder of the step`() async throws {
    try await Engine.with { engine in
      let write: JSON = ["id": "w", "tool": "files", "with": ["op": "write", "path": "out/b.txt", "content": "hello"]]
      let run = try await engine.create([
        [
          "id": "a", "tool": "run",
          "with": ["plan": ["steps": [write], "artifacts": ["out/**"]], "files": true],
        ],
        ["id": "r", "tool": "files", "needs": ["a"], "with": ["op": "read", "path": "out/b.txt"]],
      ])
      _ = try await engine.withWorker { try await engine.follow(run) }
      let steps = try await engine.status(run, lists: [.steps])["steps"]?["items"]?.array
      #expect(steps?.last?["output"]?["content"] == "hello")
    }
  }

  @Test(
    arguments: [
      (["plan": ["steps": [["id": "x", "tool": "files", "with": ["op": "list"]]]]], "plan.unknown_tool"),
      (["prompt": "x", "tools": ["files"]], "tool.input"), (["prompt": "x", "plan": [:]], "tool.input"),
      ([:], "tool.input"),
    ] as [(JSON, String)])
  func `a run has no more rights than the one that made it, and is asked for as any other`(
    _ input: JSON, _ code: String
  ) async throws {
    try await Engine.with { engine in
      let request: JSON = [
        "plan": ["steps": [["id": "a", "tool": "run", "with": input]]], "tools": ["run", "noop"],
      ]
      let run = try await engine.runs.create(CreateRun(json: request), idempotencyKey: nil, as: Engine.alice).runID
      _ = try await engine.withWorker { try await engine.follow(run) }
      #expect(try await engine.status(run)["error"]?["code"]?.string == code)
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["1"])
    }
  }

  @Test func `a step makes one run in an attempt, for the owner, and a stale worker makes none`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop)])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let request: JSON = ["plan": ["steps": noop]]
      let first = try await engine.heldRuns.createChild(of: claim, step: "a", request)
      let again = try await engine.heldRuns.createChild(of: claim, step: "a", request)
      #expect(first.id == again.id)
      let same = try await engine.database.execute(
        """
        select c.user_id = r.user_id and c.owner_claims = r.owner_claims and c.depth = 1
        from agent_runs c join agent_runs r on r.id = c.parent_id
        """)
      #expect(same == ["t"])
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      let error = await #expect(throws: SimplonError.self) {
        try await engine.heldRuns.createChild(of: claim, step: "b", request)
      }
      #expect(error?.code == .runStale)
      #expect(try await engine.status(first.id)["status"] == "cancelled")
    }
  }

  @Test func `a tree has its limits`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop)])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      for change in [
        "update agent_runs set depth = 8 where id = '\(run)'",
        """
        update agent_runs set depth = 0 where id = '\(run)';
        insert into agent_runs (prompt, parent_id, parent_attempt, parent_step)
          select 'x', '\(run)', 1, 's' || n from generate_series(1, 1000) n
        """,
      ] {
        try await engine.database.execute(change)
        let error = await #expect(throws: SimplonError.self) {
          try await engine.heldRuns.createChild(of: claim, step: "a", ["prompt": "x"])
        }
        #expect(error?.code == .runLimit)
      }
    }
  }

  @Test func `a tree has 10,000 runs in all`() async throws {
    try await Engine.with { engine in
      _ = try await engine.create([child("a", noop)])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let request: JSON = ["plan": ["steps": noop]]
      let first = try await engine.heldRuns.createChild(of: claim, step: "a", request)
      #expect(try await engine.database.execute("select runs from simplon.tree_sizes") == ["2"])
      try await engine.database.execute("update simplon.tree_sizes set runs = 9999")
      _ = try await engine.heldRuns.createChild(of: claim, step: "b", request)
      let error = await #expect(throws: SimplonError.self) {
        try await engine.heldRuns.createChild(of: claim, step: "c", request)
      }
      #expect(error?.code == .runLimit)
      // What a step has made it finds all the same.
      #expect(try await engine.heldRuns.createChild(of: claim, step: "a", request).id == first.id)
      #expect(try await engine.database.execute("select runs from simplon.tree_sizes") == ["10000"])
    }
  }

  @Test func `a stop ends everything below, and what is over stays as it is`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        """
        select set_config('request.jwt.claims', '{"role": "service_role"}', false);
        insert into agent_runs (prompt) values ('top'), ('other');
        insert into agent_runs (prompt, parent_id, parent_attempt, parent_step, depth)
          select 'over', id, 1, 'a', 1 from agent_runs where prompt = 'top';
        insert into agent_runs (prompt, parent_id, parent_attempt, parent_step, depth)
          select 'below', id, 1, 'a', 2 from agent_runs where prompt = 'over';
        update agent_runs set status = 'completed', completed_at = now() where prompt = 'over';
        select simplon.act_on_run(id, 'stop') from agent_runs where prompt = 'top'
        """)
      let runs = try await database.execute("select prompt || ' ' || status from agent_runs order by prompt")
      #expect(runs == ["below cancelled", "other queued", "over completed", "top cancelled"])
      let queued = try await database.execute(
        """
        select prompt from agent_task_queue q join agent_runs r on r.id = q.run_id where r.completed_at is null
        """)
      #expect(queued == ["other"])
      let ended = try await database.execute(
        "select r.prompt from agent_task_logs l join agent_runs r on r.id = l.run_id where l.kind = 'done' order by 1")
      #expect(ended == ["below", "top"])
    }
  }

  @Test func `a run that ends while its parent is held is noticed all the same`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop)])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let below = try await engine.heldRuns.createChild(of: claim, step: "a", ["plan": ["steps": noop]])
      try await engine.database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, tool, status, epoch) values ('\(run)', 1, 'a', 'run', 'waiting', 1);
        update agent_runs set status = 'completed', completed_at = now() where id = '\(below.id)';
        update simplon.run_state set worker = null, lease_until = null where run_id = '\(run)';
        update agent_runs set status = 'waiting', reason = '{"code": "child_run"}' where id = '\(run)'
        """)
      #expect(try await engine.queue.wakeParents() == [run])
      #expect(try await engine.queue.wakeParents() == [])
      #expect(try await engine.status(run)["status"] == "queued")
    }
  }

  @Test func `a step that waits to be tried again is not woken by the run that it has made`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([child("a", noop)])
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      let below = try await engine.heldRuns.createChild(of: claim, step: "a", ["plan": ["steps": noop]])
      try await engine.database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, tool, status, epoch, retry_at)
          values ('\(run)', 1, 'a', 'run', 'waiting', 1, now() + interval '1 hour');
        update simplon.run_state set worker = null, lease_until = null where run_id = '\(run)';
        update agent_runs set status = 'retrying', reason = '{"code": "child_run"}' where id = '\(run)';
        update agent_runs set status = 'completed', completed_at = now() where id = '\(below.id)'
        """)
      #expect(try await engine.status(run)["status"] == "retrying", "its time has not come")
      #expect(try await engine.heldRuns.wake(run) == false)
      try await engine.database.execute("update agent_runs set status = 'waiting' where id = '\(run)'")
      #expect(try await engine.queue.wakeParents() == [])
      try await engine.database.execute("update agent_steps set retry_at = null where run_id = '\(run)'")
      #expect(try await engine.heldRuns.wake(run))
      #expect(try await engine.status(run)["status"] == "queued")
    }
  }

  @Test func `a step runs a workflow of the owner's with its inputs, within the tools of its own run`() async throws {
    try await Engine.with { engine in
      let good: JSON = ["id": "x", "tool": "noop", "with": ["n": "${{ run.metadata.inputs.n }}"]]
      let bad: JSON = ["id": "x", "tool": "files", "with": ["op": "list"]]
      for (name, step) in [("good", good), ("bad", bad)] {
        let body: JSON = ["name": .string(name), "plan": ["steps": [step]]]
        _ = try await engine.registry.save(WorkflowRequest(json: body, isNew: true), as: Engine.alice)
      }
      for (name, code) in [
        ("good", nil), ("bad", "plan.unknown_tool"), ("none", "workflow.not_found"),
      ] as [(String, String?)] {
        let input: JSON = ["workflow": .string(name), "inputs": ["n": 7]]
        let request: JSON = [
          "plan": ["steps": [["id": "a", "tool": "run", "with": input]]], "tools": ["run", "noop"],
        ]
        let run = try await engine.runs.create(CreateRun(json: request), idempotencyKey: nil, as: Engine.alice).runID
        _ = try await engine.withWorker { try await engine.follow(run) }
        #expect(try await engine.status(run)["error"]?["code"]?.string == code, "\(name)")
      }
      let outputs = try await engine.database.execute(
        "select s.output ->> 'n' from agent_steps s join agent_runs r on r.id = s.run_id where r.workflow = 'good'")
      #expect(outputs == ["7"])
    }
  }
}
