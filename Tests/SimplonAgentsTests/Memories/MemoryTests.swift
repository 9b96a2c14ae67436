import Foundation
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// The tools for memory in whole runs, so under the principal of each run's owner.
@Suite(.timeLimit(.minutes(1)))
struct MemoryTests {
  /// Runs calls one after the other; gives what came of each: its output, or its error.
  private func run(
    _ engine: Engine, _ calls: (tool: String, input: JSON)..., as caller: Principal = Engine.alice
  ) async throws -> [JSON] {
    let steps = calls.enumerated().map { index, call -> JSON in
      [
        "id": .string("s\(index)"), "tool": .string("memory.\(call.tool)"), "with": call.input,
        "needs": .array(index == 0 ? [] : [.string("s\(index - 1)")]), "continue_on_error": true,
      ]
    }
    let run = try await engine.create(.array(steps), as: caller)
    try await engine.withWorker { _ = try await engine.follow(run) }
    let status = try await engine.status(run, as: caller, lists: [.steps])
    return (status["steps"]?["items"]?.array ?? []).map { step in
      (step["status"] == "completed" ? step["output"] : step["error"]) ?? .null
    }
  }

  @Test func `what one run keeps, later runs of the same user get, and nobody else's`() async throws {
    try await Engine.with { engine in
      let kept = try await run(
        engine, ("put", ["key": "tea", "content": "green", "metadata": ["sure": true]]), ("get", ["key": "tea"]))
      #expect(kept.first == ["key": "tea"])
      let found = try await run(engine, ("get", ["key": "tea"]), ("get", ["key": "coffee"]))
      #expect(found.first == kept.last)
      #expect(found.first?["content"] == "green" && found.first?["metadata"] == ["sure": true])
      #expect(found.last == ["key": "coffee", "found": false])
      let search: (tool: String, input: JSON) = ("search", ["query": "green tea"])
      for other in [Engine.bob, Engine.service] {
        let seen = try await run(engine, ("get", ["key": "tea"]), search, ("delete", ["key": "tea"]), as: other)
        #expect(seen[0] == ["key": "tea", "found": false] && seen[2] == seen[0])
        #expect(seen[1]["items"] == [])
      }
      let own = try await run(engine, search)
      #expect(own[0]["items"]?.array?.first?["key"] == "tea")
    }
  }

  @Test func `the service's runs have a memory of their own, and no signed-in user sees it`() async throws {
    try await Engine.with { engine in
      _ = try await run(engine, ("put", ["key": "k", "content": "c"]), as: Engine.service)
      #expect(try await run(engine, ("get", ["key": "k"]), as: Engine.service)[0]["content"] == "c")
      #expect(try await run(engine, ("get", ["key": "k"]))[0]["found"] == false)
    }
  }

  @Test func `agents and namespaces keep apart, and a search without them is over all`() async throws {
    try await Engine.with { engine in
      let places: [[String: JSON]] = [[:], ["agent": "a"], ["namespace": "n"], ["agent": "a", "namespace": "n"]]
      for (index, place) in places.enumerated() {
        let input = place.merging(["key": "k", "content": .string("word \(index)")]) { $1 }
        _ = try await run(engine, ("put", .object(input)))
      }
      for (index, place) in places.enumerated() {
        let found = try await run(engine, ("get", .object(place.merging(["key": "k"]) { $1 })))
        #expect(found[0]["content"]?.string == "word \(index)")
        let search = try await run(engine, ("search", .object(place.merging(["query": "word"]) { $1 })))
        #expect(search[0]["items"]?.array?.count == [4, 2, 2, 1][index])
      }
    }
  }

  @Test func `a search finds by one word in any form, and more words are better`() async throws {
    try await Engine.with { engine in
      let found = try await run(
        engine, ("put", ["key": "car", "content": "She drives a red car."]),
        ("put", ["key": "drink", "content": "She likes red wine."]), ("put", ["key": "x", "content": "Nothing."]),
        ("search", ["query": "Which red cars?"]), ("search", ["query": "driving"]),
        ("search", ["query": "red", "limit": 1]), ("search", ["query": "the of & | ! :* '"]))
      let items = found[3]["items"]?.array ?? []
      #expect(items.map { $0["key"]?.string } == ["car", "drink"] && items.allSatisfy { $0["by"] == "words" })
      #expect(found[3]["search"] == "words" && found[3]["why"] == "no embeddings are configured")
      #expect(found[4]["items"]?.array?.map { $0["key"]?.string } == ["car"])
      #expect(found[5]["items"]?.array?.count == 1)
      #expect(found[6]["items"] == [])
    }
  }

  @Test func `a put takes the place of what was there, the same again changes nothing, and a delete forgets`()
    async throws
  {
    try await Engine.with { engine in
      let done = try await run(
        engine, ("put", ["key": "k", "content": "a"]), ("get", ["key": "k"]), ("put", ["key": "k", "content": "a"]),
        ("get", ["key": "k"]), ("put", ["key": "k", "content": "b"]), ("get", ["key": "k"]), ("delete", ["key": "k"]),
        ("delete", ["key": "k"]), ("get", ["key": "k"]))
      #expect(done[1] == done[3] && done[5]["content"] == "b")
      #expect(done[5]["updated_at"] != done[1]["updated_at"])
      #expect(done[6...].map { $0["found"]?.bool } == [true, false, false])
      let events = try await engine.database.execute(
        """
        select concat_ws(' ', event, changed, actor_role, actor_id = user_id) from observability_events
        where resource = 'agent_memory' order by created_at, id
        """)
      #expect(
        events == [
          "memory.created {} authenticated t", "memory.changed {content} authenticated t",
          "memory.deleted {} authenticated t",
        ])
    }
  }

  @Test func `what is too long, or no text for PostgreSQL, is refused by its name`() async throws {
    try await Engine.with { engine in
      let long = JSON.string(String(repeating: "ä", count: 128))
      let refused = try await run(
        engine, ("put", ["key": long, "content": "c"]), ("get", ["key": "k", "agent": long]),
        ("put", ["key": "k", "content": .string(String(repeating: "x", count: 65_537))]),
        ("put", ["key": "k", "content": "c", "metadata": ["m": .string(String(repeating: "x", count: 16_384))]]),
        ("put", ["key": "k", "content": .string(String(repeating: "x y ", count: 16_384))]))
      #expect(refused.dropLast().map { $0["code"]?.string } == Array(repeating: "tool.input", count: 4))
      for (error, field) in zip(refused, ["key", "agent", "content", "metadata"]) {
        #expect(error["message"]?.string?.contains("\"\(field)\"") == true)
      }
      #expect(refused.last == ["key": "k"])
    }
  }

  @Test func `a user's memory is full at some time, and what is there can still be changed`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_memory (user_id, key, content)
        select 'aaaaaaaa-0000-4000-8000-000000000001', 'k' || n, 'x' from generate_series(1, 10000) n
        """)
      let done = try await run(
        engine, ("put", ["key": "new", "content": "c"]), ("put", ["key": "k1", "content": "c"]),
        ("delete", ["key": "k2"]), ("put", ["key": "new", "content": "c"]))
      #expect(done[0]["code"] == "tool.limit" && done[0]["hint"]?.string?.contains("memory.delete") == true)
      #expect(done[1] == ["key": "k1"] && done[3] == ["key": "new"])
      #expect(try await run(engine, ("put", ["key": "new", "content": "c"]), as: Engine.bob) == [["key": "new"]])
    }
  }

  @Test func `a search gives no more than a step can hold, and says so`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into agent_memory (user_id, key, content)
        select 'aaaaaaaa-0000-4000-8000-000000000001', 'k' || n, repeat('word ', 13000) from generate_series(1, 20) n
        """)
      let found = try await run(
        engine, ("search", ["query": "word", "limit": 50]), ("search", ["query": "word", "limit": 3]))
      #expect((10..<20).contains(found[0]["items"]?.array?.count ?? 0) && found[0]["truncated"] == true)
      #expect(found[1]["items"]?.array?.count == 3 && found[1]["truncated"] == false)
    }
  }

  @Test func `a step that is not under way any more changes nothing`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]])
      let lease = Lease()
      lease.extend(by: .seconds(60), from: Lease.now())
      func put(attempt: Int = 1) async throws {
        let call = ToolCall(
          runID: run, stepID: "a", attempt: attempt, userID: Engine.alice.subject,
          input: ["key": "k", "content": "c"], timeout: .seconds(5), layers: LayerStack(), lease: lease)
        _ = try await engine.tools.run(tool: "memory.put", call, log: { _ in })
      }
      await expectError(.runStale) { try await put() }
      try await engine.database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, user_id, tool, status, epoch)
        select id, 1, 'a', user_id, 'noop', 'completed', 1 from agent_runs
        """)
      await expectError(.runStale) { try await put() }
      try await engine.database.execute("update agent_steps set status = 'running'")
      await expectError(.runStale) { try await put(attempt: 2) }
      #expect(try await engine.database.execute("select count(*) from agent_memory") == ["0"])
      try await put()
      #expect(try await engine.database.execute("select count(*) from agent_memory") == ["1"])
      lease.revoke()
      await expectError(.runStale) { try await put() }
    }
  }
}
