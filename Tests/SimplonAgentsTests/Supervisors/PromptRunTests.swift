import FoundationEssentials
import SimplonCore
import TestSupport
import Testing

@testable import SimplonAgents

/// Prompts put to the scripted server by a worker, on a real database.
@Suite(.timeLimit(.minutes(2)))
struct PromptRunTests {
  private func with<R: Sendable>(
    _ dialect: ModelName.Dialect, _ replies: [JSON],
    _ body: @Sendable (Engine, _ requests: @escaping @Sendable () async throws -> [JSON]) async throws -> R
  ) async throws -> R {
    let server = try await ModelServer.shared.value
    let script = try await server.script(replies)
    return try await ModelTransport.with { transport in
      let router = ModelRouter([try server.model(dialect, script, transport)])
      return try await Engine.with { engine in
        var engine = engine
        engine.models = router
        return try await body(engine) { try await server.requests(script) }
      }
    }
  }

  private func prompt(_ text: String, _ engine: Engine) async throws -> UUID {
    try await engine.runs.create(CreateRun(json: ["prompt": .string(text)]), idempotencyKey: nil, as: Engine.alice)
      .runID
  }

  private static let planned: [JSON] = [
    [
      "calls": [
        [
          "name": "plan",
          "input": [
            "steps": [
              [
                "id": "write", "tool": "files", "with": ["op": "write", "path": "artifacts/a.txt", "content": "hello"],
              ],
              ["id": "read", "tool": "files", "needs": ["write"], "with": ["op": "read", "path": "artifacts/a.txt"]],
            ]
          ],
        ]
      ]
    ],
    ["text": "I wrote it.", "usage": ["input": 10, "output": 5]],
  ]

  @Test(arguments: ModelName.Dialect.allCases)
  func `a prompt comes to its answer, and everything of it is kept`(_ dialect: ModelName.Dialect) async throws {
    try await with(dialect, Self.planned) { engine, requests in
      let run = try await prompt("Write hello.", engine)
      try await engine.withWorker { _ = try await engine.follow(run) }
      let status = try await engine.status(run, lists: [.steps, .messages, .artifacts])
      #expect(status["status"] == "completed")
      #expect(status["result"] == ["answer": "I wrote it."])
      #expect(status["plan"]?["steps"]?.array?.count == 2)
      let steps = status["steps"]?["items"]?.array ?? []
      #expect(steps.map { $0["step_id"]?.string } == ["model.1", "write", "read", "model.2"])
      #expect(steps.allSatisfy { $0["status"] == "completed" })
      #expect(steps[2]["output"]?["content"] == "hello")
      #expect(steps[3]["output"]?["usage"]?["output"] == 5)
      let messages = status["messages"]?["items"]?.array ?? []
      #expect(messages.map { $0["role"]?.string } == ["user", "assistant", "tool", "assistant"])
      #expect(status["artifacts"]?["items"]?.array?.map { $0["path"]?.string } == ["artifacts/a.txt"])
      #expect(try await requests().count == 2)
    }
  }

  @Test func `a prompt that waited for a model goes on where there is one`() async throws {
    try await with(.anthropic, [["text": "Here I am."]]) { engine, _ in
      var without = engine
      without.models = ModelRouter([])
      let run = try await prompt("Hello?", engine)
      try await without.withWorker {
        try await engine.wait(for: run) { $0.payload.contains("model.not_configured") }
      }
      #expect(try await engine.status(run)["status"] == "waiting")
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await engine.status(run)["result"] == ["answer": "Here I am."])
    }
  }

  @Test func `a run that names a model waits until that one is configured`() async throws {
    try await with(.anthropic, [["text": "Hi."]]) { engine, requests in
      let run = try await engine.runs.create(
        CreateRun(json: ["prompt": "Hi?", "model": "openai/other"]), idempotencyKey: nil, as: Engine.alice
      ).runID
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.payload.contains("model.not_configured") }
      }
      #expect(try await requests().isEmpty)
      let error = #expect(throws: SimplonError.self) { try CreateRun(json: ["prompt": "Hi?", "model": "some"]) }
      #expect(error?.code == .requestInvalid)
    }
  }

  @Test func `after a failure the next question is put again by a resume, and a retry begins anew`() async throws {
    let refused: JSON = ["text": "Better.", "faults": [["status": 401]]]
    try await with(.openai, [["calls": [["name": "noop", "input": [:]]]], refused]) { engine, _ in
      let run = try await prompt("Try.", engine)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        #expect(try await engine.status(run)["error"]?["code"] == "model.auth")
        let last = try await engine.follow(run).last?.seq ?? 0
        _ = try await engine.runs.act(.resume, on: run, as: Engine.alice)
        _ = try await engine.follow(run, after: last)
        let resumed = try await engine.status(run, lists: [.steps])
        #expect(resumed["result"] == ["answer": "Better."])
        #expect(
          resumed["steps"]?["items"]?.array?.map { $0["step_id"]?.string } == ["model.1", "call.1.1", "model.2"])
        let end = try await engine.follow(run).last?.seq ?? 0
        _ = try await engine.runs.act(.retry, on: run, as: Engine.alice)
        _ = try await engine.follow(run, after: end)
        let again = try await engine.status(run, lists: [.messages])
        #expect(again["attempt"] == 2)
        #expect(again["messages"]?["items"]?.array?.map { $0["position"]?.integer } == [1, 2, 3, 4])
      }
    }
  }

  @Test func `quick calls that leave no trace are written with the answer that makes them and with the next question`()
    async throws
  {
    let calls: [JSON] = [["name": "noop", "input": ["n": 1]], ["name": "noop", "input": ["n": 2]]]
    let writes: JSON = ["name": "files", "input": ["op": "write", "path": "a.txt", "content": "a"]]
    let replies: [JSON] = [["calls": .array(calls)], ["calls": [writes]], ["text": "Done."]]
    try await with(.anthropic, replies) { engine, _ in
      let run = try await prompt("Twice.", engine)
      try await engine.withWorker(longestHold: .seconds(30)) { _ = try await engine.follow(run) }
      // A row knows the transaction that wrote it.
      let written = try await engine.database.execute(
        """
        select string_agg(step || ' ' || status, ', ' order by status desc, step) from (
          select l.xmin::text, l.seq, l.payload ->> 'step_id' as step, l.payload ->> 'status' as status
          from agent_task_logs l where l.kind = 'step') e
        group by e.xmin order by min(e.seq)
        """)
      #expect(
        written == [
          "model.1 running",
          "call.1.1 running, call.1.2 running, model.2 running, call.1.1 completed, call.1.2 completed, model.1 completed",
          "call.2.1 running, model.2 completed",
          "model.3 running, call.2.1 completed",
          "model.3 completed",
        ])
      let steps = try await engine.database.execute(
        "select step_id from agent_steps where started_at is null or completed_at is null or input is null")
      #expect(steps.isEmpty)
    }
  }
}
