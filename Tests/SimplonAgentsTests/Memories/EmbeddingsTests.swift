import Foundation
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// Vectors over a real socket; what the database does with them is told by whether it has pgvector.
@Suite(.timeLimit(.minutes(1)))
struct EmbeddingsTests {
  private func answer(_ items: (index: Int, count: Int)...) -> [UInt8] {
    let data = items.map { item -> JSON in
      ["index": .integer(item.index), "embedding": .array(Array(repeating: .integer(item.index), count: item.count))]
    }
    return JSON.object(["data": .array(data)]).utf8
  }

  @Test func `vectors come in the order of their texts, whatever the answer's`() throws {
    let vectors = try Embeddings.read(answer((1, 1536), (0, 1536)), count: 2)
    #expect(vectors.map(\.first) == [0, 1] && vectors.allSatisfy { $0.count == 1536 })
  }

  @Test func `an answer that has not one vector of the right size for each text is refused`() {
    let wrong = [
      answer((0, 1536)), answer((0, 1536), (0, 1536)), answer((0, 1536), (2, 1536)), answer((0, 1536), (1, 1535)),
      Array("no JSON".utf8), Array("{}".utf8), Array(#"{"data": [1, 2]}"#.utf8),
    ]
    for body in wrong {
      #expect(failure { try Embeddings.read(body, count: 2) }?.code == .modelProtocol)
    }
  }

  private func with<R>(key: String? = nil, _ body: (Embeddings, String) async throws -> R) async throws -> R {
    let server = try await ModelServer.shared.value
    let script = try await server.script([["text": "unused"]])
    return try await ModelTransport.with(limits: .short) { transport in
      let configuration = Embeddings.Configuration(
        url: "\(server.url)/v1", key: try ModelKey(key ?? script), model: "text-embedding-3-small")
      return try await body(Embeddings(configuration: configuration, transport: transport), script)
    }
  }

  @Test func `a server that speaks OpenAI's embeddings gives the same text the same vector`() async throws {
    try await with { embeddings, script in
      let vectors = try await embeddings.vectors(of: ["a", "b", "a"])
      #expect(vectors.count == 3 && vectors[0] == vectors[2] && vectors[0] != vectors[1])
      let asked = try await ModelServer.shared.value.requests(script)
      #expect(asked.map { $0["path"] } == ["/v1/embeddings"])
      #expect(asked[0]["body"]?["dimensions"] == 1536 && asked[0]["body"]?["input"] == ["a", "b", "a"])
    }
  }

  @Test func `a key that is refused is told, and not shown`() async throws {
    try await with(key: "swordfish-of-the-tests") { embeddings, _ in
      let error = await #expect(throws: SimplonError.self) { try await embeddings.vectors(of: ["a"]) }
      #expect(error?.code == .modelAuth)
      #expect(error.map { String(reflecting: $0).contains("swordfish") } == false)
    }
  }

  /// Keeps one memory and searches for its very text, before and after the indexer's round.
  private func found(_ engine: Engine, _ embeddings: Embeddings) async throws -> (before: JSON, after: JSON) {
    let text = "Alice drinks green tea"
    func run(_ tool: String, _ input: JSON) async throws -> JSON {
      let run = try await engine.create([["id": "a", "tool": .string("memory.\(tool)"), "with": input]])
      try await engine.withWorker { _ = try await engine.follow(run) }
      let status = try await engine.status(run, lists: [.steps])
      return status["steps"]?["items"]?.array?.first?["output"] ?? .null
    }
    _ = try await run("put", ["key": "tea", "content": .string(text)])
    let query: JSON = ["query": .string("tea\n\(text)")]
    let before = try await run("search", query)
    let indexer = MemoryIndexer(engine: engine.client, embeddings: embeddings, logger: .quiet)
    while true {
      do {
        if try await indexer.index() == 0 { break }
      } catch let error as SimplonError where error.code.rawValue.hasPrefix("model.") {
        break
      }
    }
    return (before, try await run("search", query))
  }

  @Test func `a memory is found by its words, and by its vector as soon as it has one`() async throws {
    try await with { embeddings, _ in
      try await Engine.with(embeddings: embeddings) { engine in
        let hasVectors = try await engine.database.execute("select simplon.has_vectors()") == ["t"]
        let (before, after) = try await found(engine, embeddings)
        for (found, by) in [(before, "words"), (after, hasVectors ? "vectors" : "words")] {
          #expect(found["search"]?.string == (hasVectors ? "vectors" : "words"))
          #expect(found["items"]?.array?.map { $0["key"]?.string } == ["tea"])
          #expect(found["items"]?.array?.first?["by"]?.string == by)
          #expect(found["why"]?.string == (hasVectors ? nil : "the database has no vectors (pgvector)"))
        }
        let left = try await engine.database.execute("select count(*) from simplon.memory_queue")
        #expect(left == [hasVectors ? "0" : "1"])
      }
    }
  }

  @Test func `without an answer for the query a search is by words and says why, and the memory waits`() async throws {
    try await with(key: "swordfish-of-the-tests") { embeddings, _ in
      try await Engine.with(embeddings: embeddings) { engine in
        let hasVectors = try await engine.database.execute("select simplon.has_vectors()") == ["t"]
        let (_, after) = try await found(engine, embeddings)
        #expect(after["search"] == "words" && after["items"]?.array?.count == 1)
        #expect(after["why"]?.string == (hasVectors ? "model.auth" : "the database has no vectors (pgvector)"))
        let waits = try await engine.database.execute(
          "select tries || ' ' || (ready_at > now()) from simplon.memory_queue")
        #expect(waits == [hasVectors ? "1 true" : "0 false"])
      }
    }
  }
}
