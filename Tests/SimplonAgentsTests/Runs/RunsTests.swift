import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct RunsTests {
  @Test(arguments: [["A b"], [""], ["a", "ä"], [1], "a"] as [JSON])
  func `a run's connectors are names, and anything else is refused`(_ value: JSON) {
    let error = #expect(throws: SimplonError.self) { try CreateRun(json: ["prompt": "x", "connectors": value]) }
    #expect(error?.code == .requestInvalid)
    #expect(error?.details == ["field": "connectors"])
  }

  @Test func `the connectors that a run is limited to are kept with it, and are those of its forks`() async throws {
    try await Engine.with { engine in
      let noop: JSON = [["id": "a", "tool": "noop"]]
      let request = try CreateRun(json: ["plan": ["steps": noop], "connectors": ["crm", "b", "crm"]])
      let run = try await engine.runs.create(request, idempotencyKey: nil, as: Engine.alice).runID
      let fork = try await engine.runs.fork(run, [:], as: Engine.alice).run
      let free = try await engine.create(noop)
      let claims = try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 3)
      try #require(claims.count == 3)
      let person = try #require(Engine.alice.subject)
      for claim in claims {
        let names = try await engine.database.execute(
          """
          select name from agent_run_connectors where run_id = '\(claim.held.id)' and user_id = '\(person)' order by 1
          """)
        #expect(names == (claim.held.id == free ? [] : ["b", "crm"]))
        #expect(claim.connectors == (claim.held.id == free ? nil : ["crm", "b", "crm"]))
      }
      #expect(Set(claims.map(\.held.id)) == [run, fork, free])
    }
  }

  @Test func `metadata of many small values is taken as far as the door's limit goes`() async throws {
    try await Engine.with { engine in
      let ones = JSON.array(Array(repeating: 1, count: 32_000))
      let receipt = try await engine.runs.create(
        CreateRun(json: ["prompt": "x", "metadata": ["a": ones]]), idempotencyKey: nil, as: Engine.alice)
      #expect(try await engine.status(receipt.runID)["metadata"]?["a"] == ones)
    }
  }

  @Test func `a plan that no door has checked can be read and steered`() async throws {
    try await Engine.with { engine in
      for plan in [#"{"steps": 1}"#, #"{"steps": [7, {"id": "a", "continue_on_error": "perhaps"}]}"#, "7"] {
        let run = try await engine.insert(plan: plan)
        let status = try await engine.status(run, lists: [.steps])
        #expect(status["steps"]?["items"]?.array != nil)
        try await engine.database.execute(
          """
          insert into agent_steps (run_id, attempt, step_id, tool, status, epoch) values ('\(run)', 1, 'a', 'noop', 'failed', 1)
          """)
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
        #expect(try await engine.runs.act(.resume, on: run, as: Engine.alice) == "queued")
      }
    }
  }

  @Test func `why tells of no worker, of workers that are too old, and of the queue`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]])
      func why() async throws -> JSON { try await JSON(parsing: engine.runs.why(run, as: Engine.alice)) }
      #expect(try await why()["code"] == "no_worker")
      let report = WorkerReport(
        id: UUID(), name: "test", version: "0", slots: 1, running: 0, sandbox: "none", draining: false)
      _ = try await engine.queue.renew([], report, lease: .seconds(60))
      #expect(try await why()["details"] == ["ahead": 0])
      try await engine.database.execute(
        """
        update agent_runs set engine_version = 7;
        insert into agent_runs (prompt) select 'x' from generate_series(1, 1200);
        update agent_task_queue set ready_at = clock_timestamp() where run_id = '\(run)'
        """)
      #expect(try await why()["code"] == "engine_version")
      try await engine.database.execute("update agent_runs set engine_version = 1")
      #expect(try await why()["message"] == "The run is queued with 1000 or more ahead of it.")
    }
  }

  @Test func `a run is made for the engine that makes it`() async throws {
    try await Engine.with { engine in
      let made = try await engine.database.execute(
        """
        select set_config('request.jwt.claims', '\(Engine.alice.claimsText)', false);
        select simplon.create_run('{"prompt": "x"}', null, null, 7);
        select engine_version from agent_runs
        """)
      #expect(made == ["7"])
    }
  }

  @Test func `an artifact that is made again keeps its id, and one that is not is gone`() async throws {
    try await Engine.with { engine in
      let plan: JSON = [
        "steps": [
          ["id": "a", "tool": "shell", "with": ["command": "echo 1 > kept.md; echo 2 > gone.md"]],
          ["id": "b", "tool": "shell", "needs": ["a"], "with": ["command": "exit 1"]],
        ], "artifacts": ["*.md"],
      ]
      let run = try await engine.runs.create(CreateRun(json: ["plan": plan]), idempotencyKey: nil, as: Engine.alice)
        .runID
      func artifacts() async throws -> [String: JSON] {
        let items = try await engine.status(run, lists: [.artifacts])["artifacts"]?["items"]?.array ?? []
        return Dictionary(uniqueKeysWithValues: items.map { ($0["path"]?.string ?? "", $0["id"] ?? .null) })
      }
      try await engine.withWorker {
        let first = try await engine.follow(run)
        let before = try await artifacts()
        #expect(before.keys.sorted() == ["gone.md", "kept.md"])
        try await engine.database.execute(
          "update agent_runs set plan = jsonb_set(plan, '{steps,1,with,command}', '\"rm gone.md\"')")
        _ = try await engine.runs.act(.resume, on: run, as: Engine.alice)
        let second = try await engine.follow(run, after: #require(first.last?.seq))
        let after = try await artifacts()
        #expect(after == before.filter { $0.key == "kept.md" })
        let announced = try second.filter { $0.kind == "artifact" }.map { try JSON(parsing: $0.payload)["id"] }
        #expect(announced == after.values.map { $0 })
      }
      #expect(try await engine.status(run)["status"] == "completed")
    }
  }

  @Test func `a page of large items is cut, and goes on where it was cut`() async throws {
    try await Engine.with { engine in
      let repeated: JSON = ["x": "${{ steps.a.output.x }}"]
      let run = try await engine.create([
        ["id": "a", "tool": "noop", "with": ["x": .string(String(repeating: "x", count: 3 << 20))]],
        ["id": "b", "tool": "noop", "needs": ["a"], "with": repeated],
        ["id": "c", "tool": "noop", "needs": ["a"], "with": repeated],
        ["id": "d", "tool": "noop", "needs": ["c"]],
      ])
      try await engine.withWorker { _ = try await engine.follow(run) }
      var pages = [[String]]()
      var cursor: String?
      repeat {
        let include = RunIncludes(lists: [.steps], cursor: cursor)
        let page = try await JSON(parsing: engine.runs.status(of: run, include: include, as: Engine.alice))["steps"]
        pages.append(page?["items"]?.array?.compactMap { $0["step_id"]?.string } ?? [])
        cursor = page?["next_cursor"]?.string
      } while cursor != nil
      // Each of the first three is 6 MiB, its input and its output.
      #expect(pages == [["a"], ["b"], ["c", "d"]])
    }
  }
}
