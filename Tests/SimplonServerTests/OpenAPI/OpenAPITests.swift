import FoundationEssentials
import HTTPTypes
import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct OpenAPITests {
  @Test func `the document has the paths of the design and no others`() async throws {
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      #expect(document["openapi"] == "3.1.0")
      let paths = try #require(document["paths"]?.object)
      #expect(
        Set(paths.keys) == [
          "/agent/execute", "/agent/status", "/agent/logs", "/agent/logs/ticket", "/agent/artifacts/{id}", "/agent/why",
          "/functions/v1/agent-execute", "/functions/v1/agent-status", "/functions/v1/agent-logs", "/health", "/ready",
          "/api/v1/health/supabase", "/metrics", "/openapi.json", "/docs", "/docs/script.js", "/docs/style.css",
          "/api/v1/agents", "/api/v1/agents/{agent_id}", "/api/v1/agents/{agent_id}/tasks", "/api/v1/executions",
          "/api/v1/executions/{task_id}", "/api/v1/metrics", "/api/v1/system-health", "/api/v1/usage",
          "/api/v1/workflows",
          "/api/v1/workflows/{name}", "/api/v1/schedules", "/api/v1/schedules/{name}", "/api/v1/webhooks",
          "/api/v1/webhooks/{webhook_id}", "/api/v1/webhooks/{webhook_id}/deliveries",
        ])
      var names = Set<String>()
      for item in paths.values {
        for operation in (item.object ?? [:]).values {
          let isNew = names.insert(operation["operationId"]?.string ?? "").inserted
          #expect(isNew)
        }
      }
    }
  }

  @Test func `every documented operation is there, every other method is refused`() async throws {
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      for (path, item) in document["paths"]?.object ?? [:] {
        let path = concrete(path)
        let methods = Set((item.object ?? [:]).keys)
        for method in ["get", "post", "put", "patch", "delete", "trace"] {
          let answer = try await server.send(HTTPRequest.Method(method.uppercased()) ?? .get, path)
          #expect((answer.status == 405) == !methods.contains(method), "\(method) \(path)")
          #expect(answer.code != "request.not_found", "\(method) \(path)")
        }
      }
    }
  }

  @Test func `every documented field is taken and an undocumented one is not`() async throws {
    try await withServer(configure: { ($0.principalRate, $0.addressRate) = (nil, nil) }) { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      for (path, item) in document["paths"]?.object ?? [:] {
        let real = concrete(path)
        for parameter in item["get"]?["parameters"]?.array ?? [] where parameter["in"] == "query" {
          let name = try #require(parameter["name"]?.string)
          let answer = try await server.send(.get, "\(real)?\(name)=")
          #expect(answer.code != "request.unknown_field", "\(name) at \(path)")
        }
        if item["get"]?["security"] != [] {
          #expect([400, 404].contains(try await server.send(.get, "\(real)?colour=red").status), "\(path)")
        }
        for method in [HTTPRequest.Method.post, .patch] {
          for shape in shapes(of: item[method.rawValue.lowercased()], document) {
            for (name, schema) in shape["properties"]?.object ?? [:] where name != "action" {
              var body: [String: JSON] = [name: []]
              body["action"] = shape["properties"]?["action"]?["enum"]?.array?.first
              let answer = try await server.send(method, real, .object(body))
              #expect(answer.code != "request.unknown_field", "\(name) at \(path): \(schema.text)")
              body["colour"] = "red"
              #expect(try await server.send(method, real, .object(body)).code == "request.unknown_field")
            }
          }
        }
      }
    }
  }

  @Test func `every route's fields are documented, each at its place`() async throws {
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      for route in server.server.table.routes where route.tag != "Page" {
        for path in route.paths {
          let item = try #require(document["paths"]?[path])
          let there = server.server.table.routes.filter { $0.paths.contains(path) }.flatMap(\.methods)
          #expect(Set((item.object ?? [:]).keys) == Set(there.map { $0.rawValue.lowercased() }))
          let fields = Set(route.shapes.flatMap(\.fields).map(\.name))
          for method in route.methods {
            let operation = item[method.rawValue.lowercased()]
            var documented = Set<String>()
            for parameter in operation?["parameters"]?.array ?? [] where parameter["in"] != "header" {
              documented.insert(parameter["name"]?.string ?? "")
            }
            #expect(documented == (method == .get ? fields : Set(route.parameters)), "\(path)")
            guard method != .get else { continue }
            let inBody = shapes(of: operation, document).flatMap { ($0["properties"]?.object ?? [:]).keys }
            #expect(Set(inBody) == fields.subtracting(route.parameters), "\(path)")
          }
        }
      }
    }
  }

  @Test func `every reference leads somewhere`() async throws {
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      let schemas = Set((document["components"]?["schemas"]?.object ?? [:]).keys)
      let used = Set(references(in: document))
      #expect(used.isSubset(of: schemas))
      #expect(schemas.subtracting(used) == [])
    }
  }

  @Test func `what comes later is not in it`() async throws {
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      let create = document["components"]?["schemas"]?["CreateRun"]?["properties"]?.object?.keys.sorted() ?? []
      #expect(create.contains("connectors") && !create.contains("approval"))
    }
  }

  @Test func `the page loads nothing from another host and its policy forbids it`() async throws {
    try await withServer { server in
      let page = try await server.send(.get, "/docs", token: nil)
      #expect(page.headers[.contentType] == "text/html; charset=utf-8")
      let policy = try #require(page.headers[.contentSecurityPolicy])
      #expect(policy.hasPrefix("default-src 'none';"))
      #expect(!policy.contains("unsafe") && !policy.contains("http"))
      for path in ["/docs", "/docs/script.js", "/docs/style.css"] {
        let text = try await server.send(.get, path, token: nil).text
        #expect(!text.contains("http:") && !text.contains("https:") && !text.contains("innerHTML"))
      }
      for match in page.text.matches(of: #/(?:src|href)="([^"]+)"/#) {
        #expect(try await server.send(.get, String(match.1), token: nil).status == 200)
      }
      #expect(!page.text.contains("<style") && !page.text.contains("style="))
    }
  }

  /// A path that can be asked for.
  private func concrete(_ path: String) -> String { path.replacing(#/\{[a-z_]+\}/#) { _ in UUID().text } }

  private func shapes(of operation: JSON?, _ document: JSON) -> [JSON] {
    guard let schema = operation?["requestBody"]?["content"]?["application/json"]?["schema"] else { return [] }
    return (schema["oneOf"]?.array ?? [schema]).compactMap { part in
      let name = part["$ref"]?.string?.split(separator: "/").last.map(String.init)
      return name.flatMap { document["components"]?["schemas"]?[$0] }
    }
  }

  private func references(in json: JSON) -> [String] {
    switch json {
    case .array(let items): items.flatMap(references(in:))
    case .object(let members):
      members.flatMap { name, value in
        name == "$ref" ? [value.string?.split(separator: "/").last.map(String.init) ?? ""] : references(in: value)
      }
    default: []
    }
  }
}
