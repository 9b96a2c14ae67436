import Foundation
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct AgentRegistryTests {
  @Test func `the words are those of the database`() async throws {
    try await withTestDatabase { database in
      for (type, words) in [
        ("agent_type", AgentWords.types), ("agent_status", AgentWords.statuses),
        ("task_status", AgentWords.taskStatuses),
      ] {
        let known = try await database.execute("select unnest(enum_range(null::\(type)))::text")
        #expect(known == words)
      }
    }
  }

  @Test func `registering puts the agent into the state that is sent, and again makes no difference`() async throws {
    try await Engine.with { engine in
      let registry = engine.registry
      let full = try AgentRegistration(
        json: ["agent_id": "a", "agent_type": "code_reviewer", "status": "idle", "resource_limits": ["memory": 1]])
      let (first, isNew) = try await registry.register(full, as: Engine.service)
      let (again, isNewAgain) = try await registry.register(full, as: Engine.service)
      #expect(isNew && !isNewAgain)
      let (one, other) = (try JSON(parsing: first), try JSON(parsing: again))
      for name in ["id", "agent_type", "status", "resource_limits", "created_at"] { #expect(one[name] == other[name]) }
      #expect(one["resource_limits"] == ["memory": 1])
      let (bare, _) = try await registry.register(AgentRegistration(json: ["agent_id": "a"]), as: Engine.service)
      let third = try JSON(parsing: bare)
      #expect(third["agent_type"] == "general" && third["status"] == "initializing" && third["resource_limits"] == [:])
    }
  }

  @Test func `users see what is shared and their own, and write nothing`() async throws {
    try await Engine.with { engine in
      try await engine.register("shared")
      try await engine.register("bobs", owner: Engine.bob)
      let registry = engine.registry
      func seen(by caller: Principal) async throws -> [String] {
        try await JSON(parsing: registry.list(ListQuery(), as: caller))["agents"]?.array?
          .compactMap { $0["agent_id"]?.string } ?? []
      }
      #expect(try await seen(by: Engine.alice) == ["shared"])
      #expect(try await seen(by: Engine.bob) == ["bobs", "shared"])
      #expect(try await seen(by: Engine.service) == ["bobs", "shared"])
      await expectError(.agentNotFound) { _ = try await registry.agent("bobs", as: Engine.alice) }
      for caller in [Engine.alice, Engine.bob, Principal(role: .anon, source: .key)] {
        await expectError(.authForbidden) {
          _ = try await registry.register(AgentRegistration(json: ["agent_id": "x"]), as: caller)
        }
        for agent in ["shared", "bobs", "nobody"] {
          await expectError(.authForbidden) { _ = try await registry.change(agent, AgentChange(json: [:]), as: caller) }
        }
        await expectError(.authForbidden) {
          _ = try await registry.record(
            HealthReading(json: ["component": "x", "status": "healthy"]), as: caller)
        }
      }
      #expect(try await engine.agent("shared")["status"] == "initializing")
    }
  }

  @Test func `an agent that is not heard of is offline until it is, unless a run of ours is at work for it`()
    async throws
  {
    try await Engine.with { engine in
      for agent in ["silent", "busy", "resting", "alive"] { try await engine.register(agent) }
      _ = try await engine.registry.change("resting", AgentChange(json: ["status": "maintenance"]), as: Engine.service)
      let request = try TaskRequest(agent: "busy", json: ["task_type": "t", "prompt": "x"])
      _ = try await engine.registry.runTask(request, idempotencyKey: nil, as: Engine.alice)
      _ = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1)
      try await engine.database.execute(
        "update agent_instances set last_activity = now() - interval '6 minutes' where agent_id <> 'alive'")
      func states() async throws -> [String?] {
        try await engine.database.execute("select status from agent_instances order by agent_id")
      }
      try await engine.upkeep().markSilentAgents()
      #expect(try await states() == ["initializing", "initializing", "maintenance", "offline"])
      _ = try await engine.registry.change("silent", AgentChange(json: [:]), as: Engine.service)
      #expect(try await engine.agent("silent")["status"] == "idle")
    }
  }

  @Test func `lists are filtered, and go on where they were cut`() async throws {
    try await Engine.with { engine in
      for number in 0..<5 {
        let registration = try AgentRegistration(
          json: ["agent_id": .string("a\(number)"), "status": number % 2 == 0 ? "idle" : "busy"])
        _ = try await engine.registry.register(registration, as: Engine.service)
      }
      var query = ListQuery()
      query.status = "idle"
      query.limit = 2
      var seen = [String]()
      repeat {
        let page = try await JSON(parsing: engine.registry.list(query, as: Engine.alice))
        seen += page["agents"]?.array?.compactMap { $0["agent_id"]?.string } ?? []
        query.cursor = page["next_cursor"]?.string
      } while query.cursor != nil
      #expect(seen == ["a4", "a2", "a0"])
      query = ListQuery()
      query.agentType = "quiz_generator"
      #expect(try await JSON(parsing: engine.registry.list(query, as: Engine.alice))["agents"] == [])
      query.cursor = Cursor(list: "runs", key: "x").text
      await expectError(.requestCursor) { _ = try await engine.registry.list(query, as: Engine.alice) }
    }
  }

  @Test(arguments: [
    ("a", true), ("A-1.b_c~d", true), ("", false), (".", false), ("..", false), ("-a", false), ("a b", false),
    ("a/b", false), ("a:b", false), ("é", false), (String(repeating: "a", count: 200), true),
    (String(repeating: "a", count: 201), false),
  ])
  func `a name is what stands in a path as it is`(_ text: String, _ isGood: Bool) throws {
    #expect(AgentWords.isName(text) == isGood)
    let pattern = try Regex(AgentWords.namePattern)
    #expect((text.wholeMatch(of: pattern) != nil) == isGood)
  }
}
