import FoundationEssentials
import SimplonCluster
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct WorkflowTests {
  static func plan(_ value: JSON = "${{ run.metadata.inputs.who }}") -> JSON {
    [
      "steps": [["id": "a", "tool": "noop", "with": ["x": value]]], "output": ["x": "${{ steps.a.output.x }}"],
    ]
  }
  private static let inputs: JSON = [
    "type": "object", "properties": ["who": ["type": "string"], "how": ["type": "string", "default": "well"]],
    "required": ["who"], "additionalProperties": false,
  ]

  private func save(_ engine: Engine, as caller: Principal = Engine.alice) async throws {
    let body: JSON = ["name": "greet", "plan": Self.plan(), "inputs": Self.inputs]
    _ = try await engine.registry.save(WorkflowRequest(json: body, isNew: true), as: caller)
  }

  private func run(
    _ engine: Engine, _ inputs: JSON = ["who": "Ada"], key: String? = nil, as caller: Principal = Engine.alice
  ) async throws -> RunReceipt {
    let request = try CreateRun(json: ["workflow": "greet", "inputs": inputs])
    return try await engine.runs.create(request, idempotencyKey: key, as: caller)
  }

  @Test func `a run finds its inputs and their defaults, and its execution follows it`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      let run = try await run(engine).runID
      let query = """
        select concat_ws(' ', workflow_name, version, status, inputs, output, started_at is not null,
          completed_at is not null)
        from workflow_executions
        """
      let inputs = #"{"how": "well", "who": "Ada"}"#
      #expect(try await engine.database.execute(query) == ["greet 1 queued \(inputs) f f"])
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await engine.status(run)["result"] == ["x": "Ada"])
      #expect(try await engine.database.execute(query) == [#"greet 1 completed \#(inputs) {"x": "Ada"} t t"#])
    }
  }

  @Test func `a run keeps the plan with which it was made, and versions are kept`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      let first = try await run(engine, key: "k")
      let change = try WorkflowRequest(json: ["plan": Self.plan("new")], isNew: false)
      let changed = try await JSON(parsing: engine.registry.change("greet", change, as: Engine.alice))
      #expect(changed["version"] == 2)
      let again = try await JSON(parsing: engine.registry.change("greet", change, as: Engine.alice))
      #expect(again["version"] == 2, "the same again is no new version")
      // The same request is the same run, though the workflow is another by now.
      let repeated = try await run(engine, key: "k")
      #expect(repeated.runID == first.runID && !repeated.isNew)
      let second = try await run(engine).runID
      try await engine.withWorker { for run in [first.runID, second] { _ = try await engine.follow(run) } }
      #expect(try await engine.status(first.runID)["result"] == ["x": "Ada"])
      #expect(try await engine.status(second)["result"] == ["x": "new"])
      let versions = try await engine.database.execute("select version from workflow_executions order by created_at")
      #expect(versions == ["1", "2"])
      let old = try await JSON(parsing: engine.registry.workflow("greet", version: 1, as: Engine.alice))
      #expect(old["plan"]?["steps"]?.array?.first?["with"] == ["x": "${{ run.metadata.inputs.who }}"])
      try await engine.registry.deleteWorkflow("greet", as: Engine.alice)
      #expect(try await engine.database.execute("select count(*) from workflow_executions") == ["2"])
    }
  }

  @Test func `an execution is of the latest version with its run's plan, and a fork's is of its origin's`()
    async throws
  {
    try await Engine.with { engine in
      try await save(engine)
      let first = try await run(engine).runID
      for plan in [Self.plan("new"), Self.plan()] {
        let change = try WorkflowRequest(json: ["plan": plan], isNew: false)
        _ = try await engine.registry.change("greet", change, as: Engine.alice)
      }
      _ = try await run(engine)
      _ = try await engine.runs.fork(first, ["step_id": "a"], as: Engine.alice)
      // What brings its plan itself: an old version's, and one that no version has.
      try await engine.database.execute(
        """
        insert into agent_runs (user_id, workflow, plan)
          select w.user_id, w.name, v.plan from workflows w join workflow_versions v on v.workflow_id = w.id
          where v.version = 2;
        insert into agent_runs (user_id, workflow, plan) select user_id, name, '{}' from workflows
        """)
      let versions = try await engine.database.execute("select version from workflow_executions order by created_at")
      #expect(versions == ["1", "3", "1", "2"])
    }
  }

  @Test func `of a workflow's versions the last hundred are kept`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      try await engine.database.execute(
        """
        insert into workflow_versions select id, n, user_id, plan, inputs from workflows, generate_series(2, 150) n;
        update workflows set version = 150
        """)
      let change = try WorkflowRequest(json: ["plan": Self.plan("new")], isNew: false)
      _ = try await engine.registry.change("greet", change, as: Engine.alice)
      let kept = try await engine.database.execute(
        "select concat_ws(' ', count(*), min(version), max(version)) from workflow_versions")
      #expect(kept == ["100 52 151"])
      await expectError(.workflowNotFound) {
        _ = try await engine.registry.workflow("greet", version: 51, as: Engine.alice)
      }
    }
  }

  @Test func `inputs and metadata that are too much together are refused`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      let long = JSON.string(String(repeating: "x", count: 40_000))
      let request = try CreateRun(json: ["workflow": "greet", "inputs": ["who": long], "metadata": ["note": long]])
      await expectError(.requestTooLarge) {
        _ = try await engine.runs.create(request, idempotencyKey: nil, as: Engine.alice)
      }
    }
  }

  @Test(
    arguments: [
      ([:], "who"), (["who": 7], "who"), (["who": "Ada", "when": "now"], "when"), (["who": "Ada", "how": nil], "how"),
    ] as [(JSON, String)])
  func `inputs that do not fit are refused by name`(_ inputs: JSON, _ name: String) async throws {
    try await Engine.with { engine in
      try await save(engine)
      let error = await #expect(throws: SimplonError.self) { _ = try await run(engine, inputs) }
      #expect(error?.code == .workflowInput && error?.message.contains(name) == true)
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["0"])
    }
  }

  @Test func `another user's workflow is not there, and a name is each user's own`() async throws {
    try await Engine.with { engine in
      try await save(engine)
      await expectError(.workflowNotFound) { _ = try await run(engine, as: Engine.bob) }
      await expectError(.workflowNotFound) {
        _ = try await engine.registry.workflow("greet", version: nil, as: Engine.bob)
      }
      await expectError(.workflowNotFound) { try await engine.registry.deleteWorkflow("greet", as: Engine.bob) }
      await expectError(.workflowNotFound) { _ = try await run(engine, as: Engine.service) }
      await expectError(.requestExists) { try await save(engine) }
      for other in [Engine.bob, Engine.service] {
        try await save(engine, as: other)
        _ = try await run(engine, as: other)
        let listed = try await JSON(parsing: engine.registry.workflows(ListQuery(), as: other))
        #expect(listed["workflows"]?.array?.count == 1)
      }
    }
  }

  @Test func `a run inserted at the database with a workflow's name gets its plan, and without one is refused`()
    async throws
  {
    try await Engine.with { engine in
      try await save(engine)
      let insert = """
        select set_config('request.jwt.claims', '\(Engine.alice.claimsText)', false); set role authenticated;
        insert into agent_runs (workflow, metadata) values
        """
      let rows = try await engine.database.execute(
        insert + " ('greet', '{\"inputs\": {\"who\": \"Eve\"}}') returning id", as: .api)
      let id = try #require(rows.last.flatMap { $0 }.flatMap(UUID.init(uuidString:)))
      try await engine.withWorker { _ = try await engine.follow(id) }
      #expect(try await engine.status(id)["result"] == ["x": "Eve"])
      #expect(try await engine.database.execute("select status from workflow_executions") == ["completed"])
      await refused("SIM50", "no such workflow") {
        try await engine.database.execute(insert + " ('other', '{}')", as: .api)
      }
    }
  }

  @Test(
    arguments: [
      ["name": "w"], ["plan": WorkflowTests.plan()],
      ["name": "a b", "plan": WorkflowTests.plan()],
      ["name": "w", "plan": WorkflowTests.plan(), "inputs": ["type": "string"]],
      ["name": "w", "plan": WorkflowTests.plan(), "inputs": ["$ref": "x"]],
      ["name": "w", "plan": WorkflowTests.plan(), "inputs": []],
    ] as [JSON])
  func `what can be no workflow is refused`(_ body: JSON) {
    let error = #expect(throws: SimplonError.self) { try WorkflowRequest(json: body, isNew: true) }
    #expect(error?.code == .requestInvalid)
  }
}
