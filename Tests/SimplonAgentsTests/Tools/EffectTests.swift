import SimplonCore
import Testing

@testable import SimplonAgents

struct EffectTests {
  private func http(_ input: JSON) -> EffectKind { HTTPTool.declaration.effect(of: input) }

  @Test func `a request is repeated only where that does no harm`() {
    for method in ["GET", "HEAD", "OPTIONS"] { #expect(http(["method": .string(method)]) == .pure) }
    #expect(http([:]) == .pure)
    for method in ["PUT", "DELETE"] { #expect(http(["method": .string(method)]) == .idempotent) }
    for method in ["POST", "PATCH"] {
      #expect(http(["method": .string(method)]) == .manual)
      #expect(http(["method": .string(method), "idempotency": false]) == .manual)
      #expect(http(["method": .string(method), "idempotency": true]) == .idempotent)
      #expect(http(["method": .string(method), "idempotency_key": "${{ run.id }}"]) == .idempotent)
    }
    #expect(http(["method": "anything"]) == .manual)
  }

  @Test func `a write is repeated only where its database keeps a record`() throws {
    let connectors = Connectors(
      try Connector.list(
        parsing: """
          [{"name": "plain", "kind": "postgres", "dsn": "host=h", "read_only": false},
           {"name": "kept", "kind": "postgres", "dsn": "host=h", "read_only": false, "effects_table": true},
           {"name": "web", "kind": "http", "base_url": "http://h"}]
          """), logger: .quiet)
    func sql(_ connector: String, _ write: JSON?) -> EffectKind {
      var input: [String: JSON] = ["connector": .string(connector)]
      input["write"] = write
      return SQLTool.declaration(connectors).effect(of: .object(input))
    }
    for name in ["plain", "kept", "web", "unknown"] {
      #expect(sql(name, nil) == .pure && sql(name, false) == .pure)
      #expect(sql(name, true) == (name == "kept" ? .reconcile : .manual))
    }
  }

  /// The effect is asked for before expressions are resolved, so no value may change it.
  @Test(
    arguments: [
      ("http", "method", ["url": "http://a.test/"]), ("http", "idempotency", ["url": "http://a.test/"]),
      ("http", "connector", [:]), ("sql", "write", ["connector": "c", "query": "select 1"]),
      ("sql", "connector", ["query": "select 1"]), ("sql", "query", ["connector": "c"]),
    ] as [(String, String, JSON)])
  func `what decides an effect holds no expression`(_ tool: String, _ field: String, _ input: JSON) {
    var members = input.object ?? [:]
    members[field] = "${{ run.id }}"
    let error = failure {
      try Plan(json: ["steps": [["id": "a", "tool": .string(tool), "with": .object(members)]]], tools: ToolBox.catalog)
    }
    #expect(error?.code == .planExpression && error?.message.contains("\"\(field)\"") == true)
  }

  @Test func `a step knows its effect from its plan`() throws {
    let steps: JSON = [
      ["id": "get", "tool": "http", "with": ["url": "${{ run.metadata.url }}"]],
      ["id": "post", "tool": "http", "with": ["url": "http://a.test/", "method": "POST"]],
    ]
    let plan = try Plan(json: ["steps": steps], tools: ToolBox.catalog)
    #expect(plan.steps.map(\.effect) == [.pure, .manual])
  }
}
