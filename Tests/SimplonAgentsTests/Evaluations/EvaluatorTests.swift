import Foundation
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct EvaluatorTests {
  @Test(arguments: [(#"{"score": 0}"#, 0.0), (#"{"score": 1, "why": "good"}"#, 1), (#"{"score":0.25}"#, 0.25)])
  func `a score is a number from 0 to 1`(_ body: String, _ score: Double) throws {
    #expect(try Evaluator.score(in: Array(body.utf8)) == score)
  }

  @Test(
    arguments: [
      "", "0.5", "{}", #"{"score": "0.5"}"#, #"{"score": 1.01}"#, #"{"score": -0.1}"#, #"{"score": null}"#,
      #"{"score": 1e999}"#,
    ])
  func `anything else is none`(_ body: String) {
    #expect(failure { try Evaluator.score(in: Array(body.utf8)) }?.code == .modelProtocol)
  }

  /// Runs a typed task to its end.
  private func task(_ engine: Engine) async throws -> TaskReceipt {
    try await engine.register("judged")
    let plan: JSON = ["steps": [["id": "a", "tool": "noop"]], "output": ["said": "hello"]]
    let task = try await engine.registry.runTask(
      TaskRequest(agent: "judged", json: ["task_type": "greeting", "plan": plan, "input_data": ["to": "you"]]),
      idempotencyKey: nil, as: Engine.alice)
    try await engine.withWorker { _ = try await engine.follow(task.run.runID) }
    return task
  }

  private func scores(_ engine: Engine) async throws -> [String?] {
    try await engine.database.execute(
      "select status || ' ' || coalesce(quality_score::text, '-') from agent_executions")
  }

  private func evaluate(_ engine: Engine, _ server: CannedServer) async throws -> Int {
    try await ModelTransport.with { transport in
      let configuration = Evaluator.Configuration(
        url: server.url("127.0.0.1", "/judge"), key: try ModelKey("secret-key"))
      return try await Evaluator(
        engine: engine.client, configuration: configuration, transport: transport, logger: .quiet
      ).evaluate()
    }
  }

  @Test func `what a task gave is sent to be judged, once, and its score is kept and counted`() async throws {
    try await Engine.with { engine in
      let task = try await task(engine)
      // As if the hour had been computed.
      try await engine.database.execute(
        """
        insert into simplon.settings (name, value) values ('metrics_since', (now() + interval '1 day')::text)
        on conflict (name) do update set value = excluded.value
        """)
      let server = CannedServer([CannedServer.answer("200 OK", body: #"{"score": 0.75}"#)])
      #expect(try await evaluate(engine, server) == 1)
      #expect(try await scores(engine) == ["completed 0.75"])
      #expect(try await evaluate(engine, server) == 0)
      let request = try #require(server.requests.withLock { $0.first })
      #expect(request.hasPrefix("POST /judge ") && request.lowercased().contains("authorization: bearer secret-key"))
      let body = try JSON(parsing: #require(request.components(separatedBy: "\r\n\r\n").last))
      #expect(body["task_id"]?.string == task.taskID && body["task_type"] == "greeting" && body["agent_id"] == "judged")
      #expect(body["input_data"] == ["to": "you"] && body["output_data"] == ["said": "hello"])
      #expect(try await engine.database.execute("select count(*) from simplon.evaluations") == ["0"])
      try await engine.upkeep().rollUpMetrics()
      #expect(try await engine.database.execute("select average_quality_score from agent_metrics") == ["0.75"])
    }
  }

  @Test func `a judge that fails changes nothing about the task and is asked again later, and not for ever`()
    async throws
  {
    try await Engine.with { engine in
      _ = try await task(engine)
      let server = CannedServer([
        CannedServer.answer("500 Oops"), CannedServer.answer("200 OK", body: #"{"score": 7}"#),
        CannedServer.answer("200 OK", body: #"{"score": 0.5}"#),
      ])
      for _ in 0..<2 {
        #expect(try await evaluate(engine, server) == 1)
        #expect(try await scores(engine) == ["completed -"])
        #expect(try await evaluate(engine, server) == 0, "not before its time")
        try await engine.database.execute("update simplon.evaluations set ready_at = now()")
      }
      try await engine.database.execute("update simplon.evaluations set tries = 8")
      #expect(try await evaluate(engine, server) == 0)
      try await engine.database.execute("update simplon.evaluations set tries = 7")
      #expect(try await evaluate(engine, server) == 1)
      #expect(try await scores(engine) == ["completed 0.5"])
    }
  }

  @Test func `a task that is done again forgets its score`() async throws {
    try await Engine.with { engine in
      let task = try await task(engine)
      let server = CannedServer([CannedServer.answer("200 OK", body: #"{"score": 1}"#)])
      #expect(try await evaluate(engine, server) == 1)
      #expect(try await scores(engine) == ["completed 1"])
      _ = try await engine.runs.act(.retry, on: task.run.runID, as: Engine.alice)
      #expect(try await scores(engine) == ["queued -"])
    }
  }

  @Test func `a score of an earlier result is not kept`() async throws {
    try await Engine.with { engine in
      _ = try await task(engine)
      let stored = try await engine.database.execute(
        "select simplon.store_score(id, completed_at - interval '1 second', 1) from agent_executions")
      #expect(stored == ["f"])
      #expect(try await scores(engine) == ["completed -"])
    }
  }
}
