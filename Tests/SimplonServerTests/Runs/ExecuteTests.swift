import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct ExecuteTests {
  @Test(arguments: ["/agent/execute", "/functions/v1/agent-execute", "/agent/execute/"])
  func `create answers 201 with the run`(_ path: String) async throws {
    try await withServer { server in
      let answer = try await server.send(.post, path, ["action": "create", "plan": ServerUnderTest.plan])
      #expect(answer.status == 201)
      #expect(answer.json.object.map { Set($0.keys) } == ["run_id", "status", "created_at"])
      #expect(answer.json["status"] == "queued")
      #expect(answer.headers[.contentType] == "application/json")
      #expect(answer.headers[.cacheControl] == "no-store")
    }
  }

  @Test func `a query makes a run too`() async throws {
    try await withServer { server in
      let plan = "%7B%22steps%22%3A%5B%7B%22id%22%3A%22a%22%2C%22tool%22%3A%22noop%22%7D%5D%7D"
      let answer = try await server.send(.get, "/agent/execute?action=create&start=false&plan=\(plan)")
      #expect(answer.status == 201)
      #expect(answer.json["status"] == "pending")
      #expect(try await server.send(.head, "/agent/execute?action=create&plan=\(plan)").status == 405)
    }
  }

  @Test func `the same key gives the same run and another body is refused`() async throws {
    try await withServer { server in
      let key: HTTPFields = [.idempotencyKey: "order 1"]
      let body: JSON = ["action": "create", "plan": ServerUnderTest.plan, "metadata": ["a": 1]]
      let first = try await server.send(.post, "/agent/execute", body, headers: key)
      let again = try await server.send(.post, "/agent/execute", body, headers: key)
      let other = try await server.send(.post, "/agent/execute", ["action": "create", "prompt": "x"], headers: key)
      #expect([first.status, again.status, other.status] == [201, 200, 422])
      #expect(first.json["run_id"] == again.json["run_id"])
      #expect(other.code == "request.idempotency_mismatch")
    }
  }

  @Test(arguments: ["", String(repeating: "k", count: 256), "k\u{e9}"])
  func `a key outside its limits is refused`(_ key: String) async throws {
    try await withServer { server in
      let answer = try await server.send(
        .post, "/agent/execute", ["action": "create", "prompt": "x"], headers: [.idempotencyKey: key])
      #expect(answer.status == 400)
      #expect(answer.code == "request.invalid")
      #expect(answer.json["message"]?.string?.contains("255 bytes") == true)
    }
  }

  @Test func `actions move a run and a wrong state is 409`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      func act(_ action: String) async throws -> ServerUnderTest.Answer {
        try await server.send(.post, "/agent/execute", ["action": .string(action), "run_id": .string(run.text)])
      }
      let started = try await act("start")
      #expect(started.status == 200)
      #expect(started.json == ["run_id": .string(run.text), "status": "queued"])
      let again = try await act("start")
      #expect(again.status == 409)
      #expect(again.code == "run.state")
      #expect(try await act("stop").json["status"] == "cancelled")
      #expect(try await act("stop").json["status"] == "cancelled")
      #expect(try await act("resume").json["status"] == "queued")
    }
  }

  @Test(arguments: [
    (#"{"action":"create"}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","colour":1}"#, 400, "request.unknown_field"),
    (
      #"{"action":"create","prompt":"x","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001"}"#, 400, "request.unknown_field"
    ),
    (#"{"action":"create","prompt":"x","approval":true}"#, 400, "request.not_supported"),
    (#"{"action":"create","workflow":"x"}"#, 404, "workflow.not_found"),
    (#"{"action":"create","prompt":"x","inputs":{}}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","workflow":"x"}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","model":"m"}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","budget":{"usd":1}}"#, 400, "request.unknown_field"),
    (#"{"action":"create","prompt":"x","budget":{"max_cost":"1"}}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","budget":{"max_cost":1e3}}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","budget":{"on_limit":"beg"}}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","budget":{"deadline":"tomorrow"}}"#, 400, "request.invalid"),
    (
      #"{"action":"create","plan":{"steps":[{"id":"a","tool":"noop"},{"id":"b","tool":"noop"}]},"budget":{"max_steps":1}}"#,
      422, "run.limit"
    ),
    (
      #"{"action":"stop","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","budget":{"max_cost":1}}"#, 400,
      "request.invalid"
    ),
    (#"{"action":"create","prompt":"x","approval":{}}"#, 400, "request.not_supported"),
    (#"{"action":"create","prompt":"x","connectors":["A b"]}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"x","connectors":"a"}"#, 400, "request.invalid"),
    (#"{"action":"fork","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001"}"#, 404, "run.not_found"),
    (#"{"action":"fork","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","answer":1}"#, 400, "request.unknown_field"),
    (#"{"action":"fork","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","model":"m"}"#, 400, "request.invalid"),
    (#"{"action":"fork","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","at_message":0}"#, 400, "request.invalid"),
    (#"{"action":"snapshot","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001"}"#, 404, "run.not_found"),
    (#"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001"}"#, 400, "request.invalid"),
    (
      #"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","step_id":"a"}"#, 400, "request.invalid"
    ),
    (
      #"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","step_id":"a","decision":"maybe"}"#, 400,
      "request.invalid"
    ),
    (
      #"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","step_id":"a","decision":"deny"}"#, 404,
      "run.not_found"
    ),
    (
      #"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","step_id":"a","decision":"again","output":1}"#,
      400, "request.invalid"
    ),
    (
      #"{"action":"respond","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001","step_id":"a","decision":"happened","output":1}"#,
      404, "run.not_found"
    ),
    (#"{"action":"dance"}"#, 400, "request.invalid"),
    (#"{"action":"stop"}"#, 400, "request.invalid"),
    (#"{"action":"stop","run_id":"1 or 1=1"}"#, 400, "request.invalid"),
    (#"{"action":"stop","run_id":"0190a5d2-7c3e-7b1a-8f00-000000000001"}"#, 404, "run.not_found"),
    (#"{"action":["create"]}"#, 400, "request.invalid"),
    (#"{"prompt":"x"}"#, 400, "request.invalid"),
    ("", 400, "request.invalid"),
    ("[]", 400, "request.invalid"),
    ("{", 400, "request.invalid"),
    (#"{"action":"create","action":"stop"}"#, 400, "request.invalid"),
    (#"{"action":"create","prompt":"a\u0000b"}"#, 400, "request.invalid"),
  ])
  func `a bad body gets its code and changes nothing`(_ body: String, _ status: Int, _ code: String) async throws {
    try await withServer { server in
      let answer = try await server.send(.post, "/agent/execute", text: body)
      #expect(answer.status == status)
      #expect(answer.code == code, "\(answer.text)")
      #expect(try await server.send(.get, "/agent/status").json["runs"] == [])
    }
  }

  @Test func `a run of somebody else is not there`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      let body: JSON = ["action": "stop", "run_id": .string(run.text)]
      #expect(try await server.send(.post, "/agent/execute", body, token: server.stranger).code == "run.not_found")
      for path in ["/agent/status", "/agent/why", "/agent/logs", "/agent/logs/ticket", "/agent/logs?mode=stream"] {
        let join = path.contains("?") ? "&" : "?"
        let answer = try await server.send(.get, "\(path)\(join)run_id=\(run.text)", token: server.stranger)
        #expect(answer.status == 404, "\(path)")
        #expect(answer.code == "run.not_found", "\(path)")
      }
    }
  }
}
