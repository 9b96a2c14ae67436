import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

/// What stands around every route: ids, errors, limits, origins.
@Suite(.timeLimit(.minutes(1))) struct LayersTests {
  @Test func `a good request id comes back and a bad one is replaced`() async throws {
    try await withServer { server in
      let mine = try await server.send(.get, "/health", headers: [.xRequestID: "job-7_a.B"])
      #expect(mine.headers[.xRequestID] == "job-7_a.B")
      for bad in ["a b", "", String(repeating: "a", count: 129), "a\"b"] {
        let id = try await server.send(.get, "/nothing", headers: [.xRequestID: bad]).headers[.xRequestID] ?? ""
        #expect(id != bad && RequestIDMiddleware.isGood(id))
      }
    }
  }

  @Test func `what is not there and what a path does not take are refused in our shape`() async throws {
    try await withServer { server in
      let missing = try await server.send(.get, "/agent/dance")
      #expect(missing.status == 404)
      #expect(missing.json.object.map { Set($0.keys) } == ["code", "message", "details", "hint"])
      #expect(missing.code == "request.not_found")
      let method = try await server.send(.delete, "/agent/status")
      #expect(method.status == 405)
      #expect(method.code == "request.method")
      #expect(method.headers[.allow] == "GET, POST, HEAD, OPTIONS")
      #expect(try await server.send(.init("DANCE") ?? .get, "/agent/artifacts/1").status == 405)
      let options = try await server.send(.options, "/agent/execute")
      #expect(options.status == 204)
      #expect(options.headers[.allow] == "GET, POST, OPTIONS")
      let function = try await server.send(.post, "/functions/v1/agent-status", ["run_id": "x"])
      #expect(function.json["error"] == function.json["message"])
      #expect(try await server.send(.post, "/functions/v1/nothing").json["error"]?.string != nil)
    }
  }

  @Test func `a body of another type, too large, or with a query beside it is refused`() async throws {
    try await withServer { server in
      for type in ["application/x-www-form-urlencoded", "text/plain", "application/jsonx"] {
        let answer = try await server.send(.post, "/agent/status", text: "a=1", headers: [.contentType: type])
        #expect(answer.status == 415)
        #expect(answer.code == "request.media_type")
      }
      let packed = try await server.send(.post, "/agent/status", [:], headers: [.contentEncoding: "gzip"])
      #expect(packed.status == 415)
      #expect(packed.json["message"]?.string?.contains("gzip") == true)
      #expect(try await server.send(.post, "/agent/status", [:], headers: [.contentEncoding: "identity"]).status == 200)
      let typed = try await server.send(
        .post, "/agent/status", [:], headers: [.contentType: "Application/JSON; charset=utf-8"])
      #expect(typed.status == 200)
      #expect(try await server.send(.post, "/agent/status").status == 200)
      let large = try await server.send(.post, "/agent/status", text: String(repeating: " ", count: (4 << 20) + 1))
      #expect(large.status == 413)
      #expect(large.json["details"] == ["field": "body", "limit_bytes": 4_194_304])
      let query = try await server.send(.post, "/agent/status?limit=3", [:])
      #expect(query.code == "request.unknown_field")
      #expect(try await server.send(.post, "/functions/v1/agent-status?forceFunctionRegion=any", [:]).status == 200)
    }
  }

  @Test func `without a token, and with a bad one, every door but the open ones is shut`() async throws {
    try await withServer { server in
      for route in server.server.table.routes {
        guard case .open = route.handler else {
          for path in route.paths {
            let path = path.replacing(#/\{[a-z_]+\}/#) { _ in UUID().text }
            let method = route.methods.last ?? .get
            let none = try await server.send(method, path, token: nil)
            #expect(none.status == 401)
            #expect(none.code == "auth.missing")
            #expect(none.headers[.wwwAuthenticate] == "Bearer")
            #expect(try await server.send(method, path, token: "nonsense").code == "auth.invalid")
          }
          continue
        }
        #expect(try await server.send(.get, route.path, token: nil).status == 200)
      }
    }
  }

  @Test func `who asks too often waits, by principal and by address`() async throws {
    try await withServer(configure: { $0.principalRate = .init(perSecond: 0.01, burst: 2) }) { server in
      for _ in 0..<2 { #expect(try await server.send(.get, "/agent/status").status == 200) }
      let refused = try await server.send(.get, "/agent/status")
      #expect(refused.status == 429)
      #expect(refused.code == "request.rate_limited")
      #expect(Int(refused.headers[.retryAfter] ?? "").map { (1...100).contains($0) } == true)
      #expect(try await server.send(.get, "/agent/status", token: server.stranger).status == 200)
    }
    let proxied: @Sendable (inout ServerConfiguration) -> Void = {
      $0.addressRate = .init(perSecond: 0.01, burst: 2)
      $0.trustedProxies = 1
    }
    try await withServer(configure: proxied) { server throws in
      func ask(_ path: String, from address: String) async throws -> Int {
        try await server.send(.get, path, headers: [.xForwardedFor: address]).status
      }
      #expect(try await ask("/openapi.json", from: "6.6.6.6, 10.0.0.1") == 200)
      #expect(try await ask("/openapi.json", from: "7.7.7.7, 10.0.0.1") == 200)
      #expect(try await ask("/openapi.json", from: "8.8.8.8, 10.0.0.1") == 429)
      #expect(try await ask("/openapi.json", from: "9.9.9.9, 10.0.0.1:4711") == 429)
      #expect(try await ask("/openapi.json", from: "10.0.0.2") == 200)
      for last in 1...2 { #expect(try await ask("/openapi.json", from: "2001:db8::\(last)") == 200) }
      #expect(try await ask("/openapi.json", from: "2001:db8::3") == 429)
      #expect(try await ask("/health", from: "10.0.0.1") == 200)
    }
  }

  @Test func `a request that passed fewer proxies than there are counts for its connection`() async throws {
    let proxied: @Sendable (inout ServerConfiguration) -> Void = {
      $0.addressRate = .init(perSecond: 0.01, burst: 2)
      $0.trustedProxies = 2
    }
    try await withServer(configure: proxied) { server throws in
      var statuses = [Int]()
      for address in ["1.1.1.1", "2.2.2.2", "3.3.3.3"] {
        statuses.append(try await server.send(.get, "/openapi.json", headers: [.xForwardedFor: address]).status)
      }
      #expect(statuses == [200, 200, 429])
    }
  }

  @Test func `where several routes stand at one path, it takes the methods of all of them`() async throws {
    try await withServer { server in
      for (path, methods) in [
        ("/api/v1/agents", "GET, HEAD, POST, OPTIONS"), ("/api/v1/agents/a", "GET, HEAD, PATCH, OPTIONS"),
        ("/api/v1/agents/a/tasks", "GET, HEAD, POST, OPTIONS"),
      ] {
        let refused = try await server.send(.delete, path)
        #expect(refused.status == 405)
        #expect(refused.headers[.allow] == methods)
      }
      #expect(try await server.send(.get, "/api/v1/agentsx").code == "request.not_found")
    }
  }

  @Test func `pages of allowed origins may call, others get no leave`() async throws {
    try await withServer(configure: { $0.allowedOrigins = ["https://app.example"] }) { server in
      let preflight: HTTPFields = [
        .origin: "https://app.example", .accessControlRequestMethod: "POST",
        .accessControlRequestHeaders: "authorization, idempotency-key",
      ]
      let asked = try await server.send(.options, "/agent/execute", token: nil, headers: preflight)
      #expect(asked.status == 204)
      #expect(asked.headers[.accessControlAllowOrigin] == "https://app.example")
      #expect(asked.headers[.accessControlAllowCredentials] == "true")
      #expect(asked.headers[.accessControlAllowHeaders] == "authorization, idempotency-key")
      #expect(asked.headers[.vary] == "Origin")
      let refused = try await server.send(.get, "/agent/status", token: nil, headers: [.origin: "https://app.example"])
      #expect(refused.status == 401)
      #expect(refused.headers[.accessControlAllowOrigin] == "https://app.example")
      let foreign = try await server.send(.get, "/health", headers: [.origin: "https://evil.example"])
      #expect(foreign.headers[.accessControlAllowOrigin] == nil)
      #expect(foreign.headers[.vary] == "Origin")
      #expect(try await server.send(.get, "/health").headers[.vary] == "Origin")
    }
    try await withServer(configure: { $0.allowedOrigins = ["*"] }) { server in
      let answer = try await server.send(.get, "/health", headers: [.origin: "https://any.example"])
      #expect(answer.headers[.accessControlAllowOrigin] == "*")
      #expect(answer.headers[.accessControlAllowCredentials] == nil)
    }
  }
}
