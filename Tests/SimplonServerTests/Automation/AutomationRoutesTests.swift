import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct AutomationRoutesTests {
  @Test(
    arguments: [
      ("workflows", ["name": "a", "plan": ServerUnderTest.plan], ["description": "changed"]),
      ("schedules", ["name": "a", "every": "1h", "run": ["plan": ServerUnderTest.plan]], ["missed": "once"]),
      ("webhooks", ["url": "https://a.example/", "events": ["run.failed"]], ["description": "changed"]),
    ] as [(String, JSON, JSON)])
  func `what a caller saves is listed, changed, deleted, and not there for another`(
    _ kind: String, _ body: JSON, _ change: JSON
  ) async throws {
    try await withServer { server in
      let made = try await server.send(.post, "/api/v1/\(kind)", body)
      #expect(made.status == 201, "\(made.text)")
      let name = try #require(made.json["name"]?.string ?? made.json["webhook_id"]?.string)
      let path = "/api/v1/\(kind)/\(name)"
      let seen = try await server.send(.get, path)
      #expect(seen.status == 200 && seen.json["secret"] == nil)
      #expect((made.json["secret"] != nil) == (kind == "webhooks"))
      #expect(try await server.send(.get, "/api/v1/\(kind)").json[kind]?.array?.count == 1)
      for (method, sent) in [(HTTPRequest.Method.get, nil), (.patch, change), (.delete, nil)]
        as [(HTTPRequest.Method, JSON?)]
      {
        let hidden = try await server.send(method, path, sent, token: server.stranger)
        #expect(hidden.status == 404 && hidden.code == "\(kind.dropLast()).not_found")
      }
      let changed = try await server.send(.patch, path, change)
      let member = try #require(change.object?.first)
      #expect(changed.status == 200 && changed.json[member.key] == member.value)
      let gone = try await server.send(.delete, path)
      #expect(gone.status == 204 && gone.text.isEmpty)
      #expect(try await server.send(.delete, path).status == 404)
      #expect(try await server.send(.get, "/api/v1/\(kind)").json == [kind: [], "next_cursor": nil])
      #expect(try await server.send(.put, path).status == 405)
    }
  }

  @Test func `a run of a workflow is made by its name, the same key giving the same run`() async throws {
    try await withServer { server in
      let inputs: JSON = ["properties": ["n": ["type": "integer"]], "required": ["n"]]
      let workflow: JSON = ["name": "w", "plan": ServerUnderTest.plan, "inputs": inputs]
      #expect(try await server.send(.post, "/api/v1/workflows", workflow).status == 201)
      let body: JSON = ["action": "create", "workflow": "w", "inputs": ["n": 1]]
      let key: HTTPFields = [.idempotencyKey: "k"]
      let made = try await server.send(.post, "/agent/execute", body, headers: key)
      let again = try await server.send(.post, "/agent/execute", body, headers: key)
      #expect([made.status, again.status] == [201, 200] && made.json == again.json)
      let other: JSON = ["action": "create", "workflow": "w", "inputs": ["n": 2]]
      #expect(try await server.send(.post, "/agent/execute", other, headers: key).status == 422)
      let refused = try await server.send(.post, "/agent/execute", ["action": "create", "workflow": "w"])
      #expect(refused.status == 422 && refused.code == "workflow.input")
    }
  }
}
