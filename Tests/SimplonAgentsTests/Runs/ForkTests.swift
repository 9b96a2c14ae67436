import FoundationEssentials
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// Runs that begin where another one was, on a real database.
@Suite(.timeLimit(.minutes(2)))
struct ForkTests {
  private let plan: JSON = [
    ["id": "a", "tool": "noop", "with": ["n": 1]],
    ["id": "b", "tool": "noop", "needs": ["a"], "with": ["v": "${{ steps.a.output.n }}"]],
    ["id": "c", "tool": "noop"],
  ]

  private func outputs(_ status: JSON) -> [String: JSON] {
    var outputs = [String: JSON]()
    for step in status["steps"]?["items"]?.array ?? [] { outputs[step["step_id"]?.string ?? ""] = step["output"] }
    return outputs
  }

  /// The steps that the run has begun itself.
  private func begun(_ events: [StoredEvent]) -> [String] {
    events.filter { $0.kind == "step" && $0.payload.contains("\"running\"") }.compactMap {
      (try? JSON(parsing: $0.payload))?["step_id"]?.string
    }
  }

  @Test func `a fork with another output does again what needs the step, and nothing else`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(plan)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let fork = try await engine.runs.fork(run, ["step_id": "a", "output": ["n": 5]], as: Engine.alice)
        #expect(fork.status == "queued")
        let events = try await engine.follow(fork.run)
        #expect(begun(events) == ["b"])
        let status = try await engine.status(fork.run, lists: [.steps])
        #expect(status["status"] == "completed")
        #expect(status["forked_from"]?.string == run.uuidString.lowercased())
        #expect(outputs(status) == ["a": ["n": 5], "b": ["v": 5], "c": [:]])
      }
      let origin = try await engine.status(run, lists: [.steps, .snapshots])
      #expect(outputs(origin) == ["a": ["n": 1], "b": ["v": 1], "c": [:]])
      let snapshot = origin["snapshots"]?["items"]?.array?.first
      #expect(snapshot?["step_id"] == "a")
      #expect(snapshot?["steps"] == ["a": "completed", "c": "completed"])
    }
  }

  @Test func `a fork at a step does that step again and what needs it`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(plan)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let fork = try await engine.runs.fork(run, ["step_id": "a"], as: Engine.alice)
        let events = try await engine.follow(fork.run)
        #expect(begun(events) == ["a", "b"])
        let status = try await engine.status(fork.run, lists: [.steps])
        #expect(outputs(status) == ["a": ["n": 1], "b": ["v": 1], "c": [:]])
      }
    }
  }

  @Test func `a fork has the files of the steps that it takes over`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([
        ["id": "w", "tool": "files", "with": ["op": "write", "path": "a.txt", "content": "hello"]],
        ["id": "r", "tool": "files", "needs": ["w"], "with": ["op": "read", "path": "a.txt"]],
      ])
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let fork = try await engine.runs.fork(run, ["step_id": "r"], as: Engine.alice)
        let events = try await engine.follow(fork.run)
        #expect(begun(events) == ["r"])
        #expect(outputs(try await engine.status(fork.run, lists: [.steps]))["r"]?["content"] == "hello")
      }
    }
  }

  @Test func `a large output is stored once, and outlives the run that it came from`() async throws {
    try await Engine.with { engine in
      let text = JSON.string((0..<500).map { _ in UUID().uuidString }.joined())
      let run = try await engine.create([
        ["id": "a", "tool": "noop", "with": ["text": text]],
        ["id": "b", "tool": "noop", "needs": ["a"], "with": ["again": "${{ steps.a.output.text }}"]],
      ])
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let fork = try await engine.runs.fork(run, ["step_id": "b"], as: Engine.alice).run
        _ = try await engine.follow(fork)
        let row = "select output is null from agent_steps where run_id = '\(fork)' and step_id = 'a'"
        #expect(try await engine.database.execute(row) == ["t"])
        let before = outputs(try await engine.status(fork, lists: [.steps]))
        #expect(before == ["a": ["text": text], "b": ["again": text]])
        let second = try await engine.runs.fork(fork, ["step_id": "b"], as: Engine.alice).run
        _ = try await engine.follow(second)
        try await engine.database.execute("delete from agent_runs where id = '\(run)'")
        // One of them has it now, and the other one refers to that.
        let copies = "select count(output) from agent_steps where step_id = 'a' and run_id in ('\(fork)', '\(second)')"
        #expect(try await engine.database.execute(copies) == ["1"])
        for run in [fork, second] { #expect(outputs(try await engine.status(run, lists: [.steps])) == before) }
      }
    }
  }

  @Test func `what cannot be forked is refused, and another user's run is not there`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(plan, start: false)
      let refusals: [(JSON, Principal, SimplonError.Code)] = [
        ([:], Engine.bob, .runNotFound), (["step_id": "z"], Engine.alice, .requestInvalid),
        (["step_id": "a", "output": .string(String(repeating: "x", count: 1 << 20))], Engine.alice, .requestInvalid),
        (["step_id": "a", "output": 1], Engine.alice, .runState), (["output": 1], Engine.alice, .requestInvalid),
        (["message": "x"], Engine.alice, .requestInvalid), (["prompt": "x"], Engine.alice, .requestInvalid),
        (["step_id": "a", "at_message": 1], Engine.alice, .requestInvalid),
        (["model": "m"], Engine.alice, .requestInvalid),
      ]
      for (request, caller, code) in refusals {
        let error = await #expect(throws: SimplonError.self, "\(request)") {
          try await engine.runs.fork(run, request.object ?? [:], as: caller)
        }
        #expect(error?.code == code, "\(request)")
      }
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["1"])
      let error = await #expect(throws: SimplonError.self) { try await engine.runs.snapshot(run, as: Engine.bob) }
      #expect(error?.code == .runNotFound)
    }
  }

  @Test func `a snapshot says how far a run is`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(plan)
      _ = try await engine.withWorker { try await engine.follow(run) }
      let taken = try await engine.runs.snapshot(run, as: Engine.alice)
      #expect(taken.status == "completed")
      let listed = try await engine.status(run, lists: [.snapshots])["snapshots"]?["items"]?.array?.first
      #expect(listed?["id"]?.string == taken.snapshot.uuidString.lowercased())
      #expect(listed?["steps"] == ["a": "completed", "b": "completed", "c": "completed"])
      #expect(listed?["fork_id"] == .null)
    }
  }

  @Test func `a run has 100 snapshots at most, and those of its forks take no place`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create(plan)
      try await engine.database.execute(
        """
        insert into execution_snapshots (run_id, user_id, attempt, status, position, steps, layers)
        select r.id, r.user_id, 1, r.status, 0, '{}', '{}' from agent_runs r, generate_series(1, 98)
        """)
      _ = try await engine.runs.fork(run, [:], as: Engine.alice)
      for _ in 0..<2 { _ = try await engine.runs.snapshot(run, as: Engine.alice) }
      let error = await #expect(throws: SimplonError.self) { try await engine.runs.snapshot(run, as: Engine.alice) }
      #expect(error?.code == .requestQuota)
      _ = try await engine.runs.fork(run, [:], as: Engine.alice)
      #expect(try await engine.database.execute("select count(*) from execution_snapshots") == ["102"])
    }
  }

  private func withModel<R: Sendable>(
    _ replies: [JSON],
    _ body: @Sendable (Engine, _ requests: @escaping @Sendable () async throws -> [JSON]) async throws -> R
  ) async throws -> R {
    let server = try await ModelServer.shared.value
    let script = try await server.script(replies)
    return try await ModelTransport.with { transport in
      let router = ModelRouter([try server.model(.anthropic, script, transport)])
      return try await Engine.with { engine in
        var engine = engine
        engine.models = router
        return try await body(engine) { try await server.requests(script) }
      }
    }
  }

  private static let planned: JSON = [
    "calls": [
      [
        "name": "plan",
        "input": [
          "steps": [
            ["id": "one", "tool": "noop", "with": ["n": 1]],
            ["id": "two", "tool": "noop", "needs": ["one"], "with": ["v": "${{ steps.one.output.n }}"]],
          ]
        ],
      ]
    ]
  ]

  private func prompt(_ engine: Engine) async throws -> UUID {
    try await engine.runs.create(CreateRun(json: ["prompt": "Count."]), idempotencyKey: nil, as: Engine.alice).runID
  }

  @Test func `a conversation goes on behind its answer in a fork`() async throws {
    try await withModel([Self.planned, ["text": "One."], ["text": "Two."]]) { engine, requests in
      let run = try await prompt(engine)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let fork = try await engine.runs.fork(run, ["message": "And now?"], as: Engine.alice).run
        let events = try await engine.follow(fork)
        #expect(begun(events) == ["model.3"])
        let status = try await engine.status(fork, lists: [.messages])
        #expect(status["result"] == ["answer": "Two."])
        let messages = status["messages"]?["items"]?.array ?? []
        #expect(
          messages.map { $0["role"]?.string } == ["user", "assistant", "tool", "assistant", "user", "assistant"])
        #expect(messages.dropLast().last?["content"] == ["text": "And now?"])
      }
      #expect(try await requests().count == 3)
      #expect(try await engine.status(run)["result"] == ["answer": "One."])
    }
  }

  @Test func `a model is told another output, or asked again`() async throws {
    // The server says the same behind the same number of replies; what was asked tells one question from another.
    try await withModel([Self.planned, ["text": "One."]]) { engine, requests in
      let run = try await prompt(engine)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let told = try await engine.runs.fork(run, ["step_id": "one", "output": ["n": 5]], as: Engine.alice).run
        let events = try await engine.follow(told)
        #expect(begun(events) == ["two", "model.2"])
        let status = try await engine.status(told, lists: [.steps])
        #expect(outputs(status)["two"] == ["v": 5])
        #expect(status["result"] == ["answer": "One."])

        let asked = try await engine.runs.fork(run, ["step_id": "model.2"], as: Engine.alice).run
        let again = try await engine.follow(asked)
        #expect(begun(again) == ["model.2"])
        #expect(try await engine.status(asked)["result"] == ["answer": "One."])
      }
      let questions = try await requests().map { $0["body"]?["messages"]?.array?.last?.text ?? "" }
      try #require(questions.count == 4)
      #expect(questions[1].contains(#"\"v\":1"#) && questions[2].contains(#"\"v\":5"#))
      #expect(questions[3] == questions[1])
    }
  }

  @Test func `a message cannot stand between a call and its results`() async throws {
    try await withModel([Self.planned, ["text": "One."]]) { engine, requests in
      let run = try await prompt(engine)
      try await engine.withWorker {
        _ = try await engine.follow(run)
        let wrong: [[String: JSON]] = [
          ["at_message": 2, "message": "x"], ["step_id": "one", "message": "x"], ["at_message": 9],
          ["step_id": "model.1", "output": 1],
        ]
        for request in wrong {
          let error = await #expect(throws: SimplonError.self, "\(request)") {
            try await engine.runs.fork(run, request, as: Engine.alice)
          }
          #expect(error?.code == (request["output"] == nil ? .requestInvalid : .runState), "\(request)")
        }
        let fork = try await engine.runs.fork(run, ["at_message": 3, "message": "Be short."], as: Engine.alice).run
        let events = try await engine.follow(fork)
        #expect(begun(events) == ["model.2"])
        #expect(try await engine.status(fork)["result"] == ["answer": "One."])
        let last = try await requests().last?["body"]?["messages"]?.array?.last?.text
        #expect(last?.contains("Be short.") == true)
      }
    }
  }
}
