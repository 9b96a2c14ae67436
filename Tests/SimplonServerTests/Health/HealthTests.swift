import HTTPTypes
import SimplonAgents
import SimplonCore
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
