import FoundationEssentials
import SimplonCore
import TestSupport
import Testing

@testable import SimplonAgents

/// What runs of prompts cost, with the scripted server as the vendor and on a real database.
@Suite(.timeLimit(.minutes(2)))
struct MoneyRunTests {
  /// Gives the body an engine whose one model is the scripted server's, with prices unless it is to have none.
  private func with<R: Sendable>(
    _ dialect: ModelName.Dialect, _ replies: [JSON], priced: Bool = true,
    _ body: @Sendable (Engine, _ requests: @escaping @Sendable () async throws -> [JSON]) async throws -> R
  ) async throws -> R {
    let server = try await ModelServer.shared.value
    let script = try await server.script(replies)
    return try await ModelTransport.with { transport in
      let model = try server.model(dialect, script, transport)
      return try await Engine.with { engine in
        var engine = engine
        engine.models = ModelRouter([model])
        if priced {
          try await engine.database.execute("select simplon.set_price('\(model.name)', 3, 15, 0.3, 3.75, 6)")
        }
        return try await body(engine) { try await server.requests(script) }
      }
    }
  }

  private func create(_ engine: Engine, _ budget: JSON = [:]) async throws -> UUID {
    try await engine.runs.create(
      CreateRun(json: ["prompt": "Go.", "budget": budget]), idempotencyKey: nil, as: Engine.alice
    ).runID
  }

  private func ledger(_ engine: Engine) async throws -> [String?] {
    try await engine.database.execute(
      """
      select concat_ws(' ', state, basis, input, cache_read, cache_write, output, cost) from agent_model_calls
      order by created_at
      """)
  }

  private static let usage: JSON = ["input": 100, "cache_read": 20, "cache_write": 10, "output": 5]
  private static let answer: JSON = ["text": "Hi.", "usage": usage]

  @Test(arguments: ModelName.Dialect.allCases)
  func `a run costs what its vendor has said`(_ dialect: ModelName.Dialect) async throws {
    try await with(dialect, [Self.answer]) { engine, _ in
      let run = try await create(engine)
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await ledger(engine) == ["settled usage 100 20 10 5 0.0004185"])
      let status = try await engine.status(run, lists: [.steps])
      #expect(status["cost"] == .number("0.0004185"))
      #expect(status["steps"]?["items"]?.array?.map { $0["cost"] } == [.number("0.0004185")])
      let usage = try await JSON(parsing: engine.runs.usage(UsageQuery(), as: Engine.alice))
      let item = try #require(usage["usage"]?.array?.first)
      #expect(item["calls"] == 1 && item["cost"] == .number("0.0004185") && item["cache_read"] == 20)
      #expect(item["reserved"] == 0 && item["unpriced_calls"] == 0)
      let others = try await JSON(parsing: engine.runs.usage(UsageQuery(), as: Engine.bob))
      #expect(others["usage"] == [])
      let all = try await JSON(parsing: engine.runs.usage(UsageQuery(), as: Engine.service))
      #expect(all["usage"]?.array?.count == 1)
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `a reply that broke off costs what is known of it, or what was reserved`(_ dialect: ModelName.Dialect)
    async throws
  {
    let long = JSON.string(String(repeating: "0123456789", count: 80))
    let broken: JSON = ["text": long, "usage": Self.usage, "faults": [["close_after": 1200]]]
    try await with(dialect, [broken]) { engine, _ in
      let run = try await create(engine)
      try await engine.withWorker { _ = try await engine.follow(run) }
      let calls = try await ledger(engine).compactMap(\.self)
      try #require(calls.count == 2)
      // The most output there can be is 8,192 tokens.
      let known = dialect == .anthropic ? "settled partial 100 20 10 8192 0.1232235" : "settled assumed "
      #expect(calls[0].hasPrefix(known))
      #expect(calls[1] == "settled usage 100 20 10 5 0.0004185")
      let sum = try await engine.database.execute(
        "select r.cost = (select sum(c.cost) from agent_model_calls c where c.run_id = r.id) from agent_runs r")
      #expect(sum == ["t"])
    }
  }

  @Test(arguments: ModelName.Dialect.allCases, ["close_after", "reset_after"])
  func `a connection that is cut before anything was said costs what was reserved`(
    _ dialect: ModelName.Dialect, _ fault: String
  ) async throws {
    let cut: JSON = ["text": "Hi.", "usage": Self.usage, "faults": [.object([fault: 0])]]
    try await with(dialect, [cut]) { engine, requests in
      let run = try await create(engine)
      try await engine.withWorker { _ = try await engine.follow(run) }
      let calls = try await ledger(engine).compactMap(\.self)
      try #require(calls.count == 2)
      #expect(calls[0].hasPrefix("settled assumed ") && calls[1] == "settled usage 100 20 10 5 0.0004185")
      #expect(try await requests().count == 2)
    }
  }

  @Test func `what a vendor refuses costs nothing`() async throws {
    try await with(.anthropic, [["text": "Hi.", "usage": Self.usage, "faults": [["status": 529]]]]) { engine, _ in
      let run = try await create(engine)
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await ledger(engine) == ["released none 0", "settled usage 100 20 10 5 0.0004185"])
    }
  }

  @Test func `a run beyond its budget fails before it asks, and goes on within a larger one`() async throws {
    try await with(.openai, [Self.answer]) { engine, requests in
      let run = try await create(engine, ["max_cost": .number("0.01")])
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let error = try await engine.status(run)["error"]
        #expect(error?["code"] == "run.budget" && error?["details"]?["scope"] == "run")
        #expect(try await requests().isEmpty)
        let last = try await engine.follow(run).last?.seq ?? 0
        let more = try Budget(json: ["max_cost": 1])
        _ = try await engine.runs.act(.resume, on: run, within: more, as: Engine.alice)
        _ = try await engine.follow(run, after: last)
        #expect(try await engine.status(run)["status"] == "completed")
      }
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `a usage above what was reserved is booked as it is, and the next question is refused`(
    _ dialect: ModelName.Dialect
  ) async throws {
    let dear: JSON = ["calls": [["name": "noop", "input": [:]]], "usage": ["input": 200_000, "output": 5]]
    try await with(dialect, [dear, Self.answer]) { engine, requests in
      let run = try await create(engine, ["max_cost": .number("0.5")])
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await ledger(engine) == ["settled usage 200000 0 0 5 0.600075"])
      #expect(try await engine.database.execute("select reserved < 0.2 from agent_model_calls") == ["t"])
      let status = try await engine.status(run)
      #expect(status["error"]?["code"] == "run.budget" && status["error"]?["details"]?["scope"] == "run")
      #expect(status["cost"] == .number("0.600075"))
      #expect(try await requests().count == 1)
    }
  }

  @Test func `a run that is to wait for its budget waits, and goes on within a larger one`() async throws {
    try await with(.anthropic, [Self.answer]) { engine, requests in
      let run = try await create(engine, ["max_cost_per_call": .number("0.01"), "on_limit": "wait"])
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "status" && $0.payload.contains(#""waiting""#) }
        let reason = try await engine.status(run)["reason"]
        #expect(reason?["code"] == "budget" && reason?["details"]?["scope"] == "call")
        #expect(try await requests().isEmpty)
        let more = try Budget(json: ["max_cost_per_call": 1])
        #expect(try await engine.runs.act(.resume, on: run, within: more, as: Engine.alice) == "queued")
        _ = try await engine.follow(run)
        let status = try await engine.status(run)
        #expect(status["result"] == ["answer": "Hi."] && status["attempt"] == 1)
        #expect(status["budget"]?["on_limit"] == "wait")
      }
    }
  }

  @Test func `a model without a price is not asked under a budget`() async throws {
    try await with(.anthropic, [Self.answer], priced: false) { engine, requests in
      let run = try await create(engine, ["max_cost": 1])
      let free = try await create(engine)
      try await engine.withWorker {
        for run in [run, free] { _ = try await engine.follow(run) }
      }
      #expect(try await engine.status(run)["error"]?["code"] == "model.no_price")
      #expect(try await engine.status(free)["status"] == "completed")
      #expect(try await requests().count == 1)
    }
  }

  @Test func `a budget bounds the questions`() async throws {
    let more: JSON = ["calls": [["name": "noop", "input": [:]]]]
    try await with(.openai, [more]) { engine, requests in
      let run = try await create(engine, ["max_questions": 2])
      try await engine.withWorker { _ = try await engine.follow(run) }
      #expect(try await engine.status(run)["error"]?["code"] == "run.limit")
      #expect(try await requests().count == 2)
    }
  }
}
