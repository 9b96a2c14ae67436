import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct RegistryRoutesTests {
  private let task: JSON = ["task_type": "greet", "plan": ServerUnderTest.plan, "input_data": ["name": "Ada"]]

  private func register(_ agent: String, on server: ServerUnderTest, user: String? = nil) async throws {
    let body: JSON = ["agent_id": .string(agent), "user_id": user.map(JSON.string) ?? .null]
    #expect(try await server.send(.post, "/api/v1/agents", body, token: server.service).status == 201)
  }

  @Test func `the service registers an agent once, and users only read it`() async throws {
    try await withServer { server in
      let body: JSON = ["agent_id": "writer-1", "agent_type": "content_generator", "configuration": ["words": 100]]
      let first = try await server.send(.post, "/api/v1/agents", body, token: server.service)
      let again = try await server.send(.post, "/api/v1/agents", body, token: server.service)
      #expect([first.status, again.status] == [201, 200])
      #expect(first.json["id"] == again.json["id"])
      #expect(first.json["status"] == "initializing")
      let seen = try await server.send(.get, "/api/v1/agents/writer-1")
      #expect(seen.json["configuration"] == ["words": 100])
      #expect(seen.headers[.contentType] == "application/json")
      for (method, path) in [(HTTPRequest.Method.post, "/api/v1/agents"), (.patch, "/api/v1/agents/writer-1")] {
        let refused = try await server.send(method, path, method == .post ? body : ["status": "idle"])
        #expect(refused.status == 403)
        #expect(refused.code == "auth.forbidden")
      }
    }
  }

  @Test func `a sign of life needs no words, and a change none but its own`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      let alive = try await server.send(.patch, "/api/v1/agents/a", [:], token: server.service)
      #expect(alive.status == 200 && alive.json["status"] == "initializing")
      let changed = try await server.send(.patch, "/api/v1/agents/a", ["status": "busy"], token: server.service)
      #expect(changed.json["status"] == "busy")
      #expect(try await server.send(.patch, "/api/v1/agents/b", [:], token: server.service).code == "agent.not_found")
    }
  }

  @Test func `a task is a run, made once for its name`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      var body = try #require(task.object)
      body["task_id"] = "greet-1"
      let made = try await server.send(.post, "/api/v1/agents/a/tasks", .object(body))
      let again = try await server.send(.post, "/api/v1/agents/a/tasks", .object(body))
      #expect([made.status, again.status] == [201, 200])
      #expect(made.json == again.json)
      #expect(made.json["task_id"] == "greet-1" && made.json["status"] == "queued")
      let run = try #require(made.json["run_id"]?.string)
      let status = try await server.send(.get, "/agent/status?run_id=\(run)")
      #expect(status.json["agent"] == "a")
      #expect(status.json["metadata"] == ["task_type": "greet", "input_data": ["name": "Ada"]])
      let listed = try await server.send(.get, "/api/v1/agents/a/tasks").json["executions"]?.array
      #expect(listed?.map { $0["task_id"] } == ["greet-1"])
      #expect(listed?.first?["run_id"] == .string(run))
      body["task_type"] = "shout"
      #expect(try await server.send(.post, "/api/v1/agents/a/tasks", .object(body)).status == 422)
    }
  }

  @Test func `what is another user's is not there`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      try await register("theirs", on: server, user: UUID().text)
      let made = try await server.send(.post, "/api/v1/agents/a/tasks", task)
      let path = "/api/v1/executions/\(made.json["task_id"]?.string ?? "")"
      #expect(try await server.send(.get, path).status == 200)
      let hidden = try await server.send(.get, path, token: server.stranger)
      #expect(hidden.status == 404 && hidden.code == "execution.not_found")
      let change = try await server.send(.patch, path, ["status": "failed"], token: server.stranger)
      #expect(change.status == 404 && change.code == "execution.not_found")
      for path in ["/api/v1/agents/theirs", "/api/v1/agents/theirs/tasks"] {
        #expect(try await server.send(.get, path).code == "agent.not_found")
      }
      #expect(try await server.send(.post, "/api/v1/agents/theirs/tasks", task).code == "agent.not_found")
      let mine = try await server.send(.get, "/api/v1/agents/a/tasks", token: server.stranger)
      #expect(mine.json["executions"] == [])
    }
  }

  @Test func `an execution that has ended is not changed again`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      let report: JSON = ["agent_id": "a", "task_id": "t", "task_type": "draw", "status": "running"]
      #expect(try await server.send(.post, "/api/v1/executions", report).code == "auth.forbidden")
      let made = try await server.send(.post, "/api/v1/executions", report, token: server.service)
      #expect(made.status == 201)
      #expect(try await server.send(.post, "/api/v1/executions", report, token: server.service).status == 200)
      let end: JSON = ["status": "completed", "quality_score": .number("0.5"), "execution_time_seconds": 2]
      let done = try await server.send(.patch, "/api/v1/executions/t", end, token: server.service)
      #expect(done.status == 200 && done.json["quality_score"] == .number("0.5"))
      let late = try await server.send(.patch, "/api/v1/executions/t", end, token: server.service)
      #expect(late.status == 409 && late.code == "execution.state")
    }
  }

  @Test func `metrics and readings are given for the hours asked for`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      let now = Int(Date().timeIntervalSince1970)
      func time(_ seconds: Int) -> JSON {
        .string(Date(timeIntervalSince1970: Double(now + seconds)).formatted(.iso8601))
      }
      let report: JSON = [
        "agent_id": "a", "period_start": time(-7200), "period_end": time(-3600), "tasks_completed": 3,
        "tasks_failed": 1, "average_execution_time": .number("1.5"),
      ]
      let made = try await server.send(.post, "/api/v1/metrics", report, token: server.service)
      #expect(made.status == 201 && made.json["success_rate"] == .number("0.75"))
      #expect(made.json["average_quality_score"]?.isNull == true)
      #expect(try await server.send(.post, "/api/v1/metrics", report).code == "auth.forbidden")
      let recent = try await server.send(.get, "/api/v1/metrics?hours=2&agent_id=a")
      #expect(recent.json["metrics"]?.array?.count == 1)
      #expect(try await server.send(.get, "/api/v1/metrics?hours=1").json["metrics"] == [])

      let reading: JSON = ["component": "mail", "status": "degraded", "reading": ["queue": 7]]
      #expect(try await server.send(.post, "/api/v1/system-health", reading, token: server.service).status == 201)
      #expect(try await server.send(.post, "/api/v1/system-health", reading).code == "auth.forbidden")
      let health = try await server.send(.get, "/api/v1/system-health?component=mail&hours=1").json["readings"]?.array
      #expect(health?.map { $0["reading"] } == [["queue": 7]])
      #expect(try await server.send(.get, "/api/v1/system-health?status=healthy").json["readings"] == [])
    }
  }

  @Test func `lists go on page by page, and a cursor is of its own list alone`() async throws {
    try await withServer { server in
      for number in 0..<5 { try await register("a\(number)", on: server) }
      var seen = [String]()
      var cursor: String?
      repeat {
        let query = cursor.map { "&cursor=" + $0.replacing("=", with: "%3D").replacing("+", with: "%2B") } ?? ""
        let page = try await server.send(.get, "/api/v1/agents?limit=2\(query)").json
        seen += page["agents"]?.array?.compactMap { $0["agent_id"]?.string } ?? []
        cursor = page["next_cursor"]?.string
        if let cursor {
          let foreign = cursor.replacing("=", with: "%3D").replacing("+", with: "%2B")
          #expect(try await server.send(.get, "/api/v1/metrics?cursor=\(foreign)").code == "request.cursor")
        }
      } while cursor != nil && seen.count < 20
      #expect(seen == ["a4", "a3", "a2", "a1", "a0"])
    }
  }

  @Test(
    arguments: [
      (HTTPRequest.Method.get, "agents?limit=1001", nil), (.get, "executions?hours=8761", nil),
      (.get, "executions?since=yesterday", nil), (.get, "metrics?hours=0", nil), (.get, "agents/%20", nil),
      (.get, "agents?status=sleepy", nil), (.post, "agents", ["agent_id": "a b"]),
      (.post, "agents", ["agent_id": "a", "agent_type": "poet"]),
      (.post, "agents/a/tasks", ["task_type": "t"]), (.post, "agents/a/tasks", ["prompt": "x"]),
      (.post, "agents/a/tasks", ["task_type": "t", "prompt": "x", "priority": 101]),
      (.post, "executions", ["agent_id": "a", "task_id": "t", "task_type": "t", "quality_score": 2]),
      (
        .post, "metrics",
        ["agent_id": "a", "period_start": "2026-02-30T00:00:00Z", "period_end": "2026-03-01T00:00:00Z"]
      ),
    ] as [(HTTPRequest.Method, String, JSON?)])
  func `what is wrong is refused before anything is done`(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSON?
  ) async throws {
    try await withServer { server in
      try await register("a", on: server)
      let answer = try await server.send(method, "/api/v1/\(path)", body, token: server.service)
      #expect(answer.status == 400)
      #expect(answer.code == "request.invalid")
    }
  }

  @Test func `more than an object may hold is refused with its limit`() async throws {
    try await withServer { server in
      try await register("a", on: server)
      let much = JSON.object(["x": .string(String(repeating: "x", count: 70_000))])
      for (path, body) in [
        ("agents", ["agent_id": "b", "configuration": much]),
        ("agents/a/tasks", ["task_type": "t", "prompt": "x", "input_data": much]),
      ] as [(String, JSON)] {
        let answer = try await server.send(.post, "/api/v1/\(path)", body, token: server.service)
        #expect(answer.status == 413 && answer.code == "request.too_large")
      }
    }
  }

  @Test func `the anon key has nothing here`() async throws {
    try await withServer { server in
      for path in ["agents", "executions", "metrics", "system-health"] {
        let answer = try await server.send(.get, "/api/v1/\(path)", token: nil)
        #expect(answer.status == 401 && answer.code == "auth.missing")
      }
    }
  }
}
