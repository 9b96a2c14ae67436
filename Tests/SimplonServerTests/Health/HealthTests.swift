import HTTPTypes
import Logging
import ServiceLifecycle
import SimplonAgents
import SimplonCore
import Synchronization
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct HealthTests {
  @Test func `health says exactly three things`() async throws {
    try await withServer { server in
      let answer = try await server.send(.get, "/health", token: nil)
      #expect(answer.json == ["status": "healthy", "version": "1.2.3", "service": "agent-api"])
      #expect(try await server.send(.head, "/health").text == "")
    }
  }

  @Test func `readiness decides between 200 and 503 and shows what is wrong`() async throws {
    let details: JSON = ["database": "ok", "tables_accessible": ["agent_instances": true], "realtime_enabled": true]
    try await withServer(readiness: Readiness(ready: true, details: details)) { server in
      let ready = try await server.send(.get, "/ready", token: nil)
      #expect(ready.status == 200)
      #expect(ready.json == ["ready": true, "details": details])
      let health = try await server.send(.get, "/api/v1/health/supabase", token: nil)
      #expect(health.status == 200)
      #expect(health.json["status"] == "healthy")
      #expect(health.json["tables_accessible"] == ["agent_instances": true])
      #expect(health.json["realtime_enabled"] == true)
      if case .number(let text)? = health.json["response_time_ms"] {
        #expect(Double(text).map { $0 >= 0 } == true)
      } else {
        Issue.record("no response time")
      }
    }
    try await withServer(readiness: Readiness(ready: false, details: ["database": "cannot be reached"])) { server in
      let unready = try await server.send(.get, "/ready", token: nil)
      #expect(unready.status == 503)
      #expect(unready.headers[.retryAfter] != nil)
      #expect(unready.json["details"]?["database"] == "cannot be reached")
      #expect(try await server.send(.get, "/api/v1/health/supabase").json["status"] == "unhealthy")
      #expect(try await server.send(.get, "/health").status == 200)
    }
  }

  @Test func `however many ask whether it is ready, the database is asked once a second`() async throws {
    let asked = Mutex(0)
    let time = Mutex(ContinuousClock.now)
    let check = ReadinessCheck(
      {
        let count = asked.withLock { count in
          count += 1
          return count
        }
        time.withLock { $0 += .milliseconds(30) }
        return Readiness(ready: true, details: ["count": .integer(count)])
      }, now: { time.withLock { $0 } })
    await withTaskGroup { group in
      for _ in 0..<100 { group.addTask { _ = await check.answer() } }
    }
    #expect(asked.withLock { $0 } == 1)
    #expect(await check.answer().took == .milliseconds(30))
    time.withLock { $0 += .seconds(1) }
    #expect(await check.answer().readiness.details == ["count": 2])
  }

  @Test func `a server that stops is not ready`() async throws {
    try await withServer { server in
      let answers = AsyncStream.makeStream(of: ServerUnderTest.Answer.self)
      let service = Stopping {
        try await gracefulShutdown()
        answers.continuation.yield(try await server.send(.get, "/ready", token: nil))
      }
      let group = ServiceGroup(
        configuration: .init(services: [.init(service: service)], logger: Logger(label: "test")))
      await group.triggerGracefulShutdown()
      try await group.run()
      let answer = try #require(await answers.stream.first { _ in true })
      #expect(answer.status == 503)
      #expect(answer.json == ["ready": false, "details": ["draining": true]])
    }
  }

  @Test func `metrics are Prometheus text and count by pattern, not by what callers invent`() async throws {
    try await withServer { server in
      _ = try await server.send(.get, "/agent/artifacts/x")
      _ = try await server.send(.init("DANCE") ?? .get, "/a/\(server.owner)")
      let answer = try await server.send(.get, "/metrics", token: nil)
      #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
      #expect(grammarFaults(answer.text) == [])
      #expect(answer.text.contains(#"http_requests_total{method="GET",route="/agent/artifacts/{id}",status="400"} 1"#))
      #expect(answer.text.contains(#"http_requests_total{method="other",route="none",status="404"} 1"#))
      #expect(
        answer.text.contains(#"http_request_duration_seconds_count{method="GET",route="/agent/artifacts/{id}"} 1"#))
      #expect(answer.text.contains("http_requests_in_flight 1\n"))
      #expect(!answer.text.contains(server.owner))
    }
  }
}

/// Does something in a group.
private struct Stopping: Service {
  let work: @Sendable () async throws -> Void

  func run() async throws { try await work() }
}
