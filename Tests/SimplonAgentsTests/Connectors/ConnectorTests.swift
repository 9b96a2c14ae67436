import FoundationEssentials
import SimplonCore
import Testing

@testable import SimplonAgents

struct ConnectorTests {
  private static let alice = "aaaaaaaa-0000-4000-8000-000000000001"

  @Test func `all fields of SIMPLON_CONNECTORS are read`() throws {
    let list = try Connector.list(
      parsing: """
        [{"name": "crm", "kind": "http", "base_url": "https://crm.example/v1/", "methods": ["GET", "POST"],
          "headers": {"Authorization": "Bearer swordfish"}, "users": ["\(Self.alice)"], "allow_private": true},
         {"name": "warehouse", "kind": "postgres", "dsn": "host=h", "read_only": false, "effects_table": true,
          "statement_timeout": "3s", "max_rows": 7},
         {"name": "web", "kind": "http", "base_url": "http://web.example"},
         {"name": "reports", "kind": "postgres", "dsn": "postgresql://h/d", "users": []}]
        """)
    #expect(list.map(\.name) == ["crm", "warehouse", "web", "reports"])
    guard case .http(let crm) = list[0].kind, case .postgres(let warehouse) = list[1].kind,
      case .http(let web) = list[2].kind, case .postgres(let reports) = list[3].kind
    else {
      Issue.record("the kinds are others")
      return
    }
    #expect(crm.baseURL.text == "https://crm.example/v1/" && crm.methods == ["GET", "POST"] && crm.allowsPrivate)
    #expect(crm.headers.map(\.name) == ["authorization"] && crm.secrets == ["Bearer swordfish", "swordfish"])
    #expect(!warehouse.isReadOnly && warehouse.hasEffects && warehouse.rowLimit == 7)
    #expect(warehouse.statementTimeout == .seconds(3))
    #expect(web.methods == ["GET", "HEAD", "OPTIONS"] && web.headers.isEmpty && !web.allowsPrivate)
    #expect(reports.isReadOnly && !reports.hasEffects && reports.rowLimit == 1000)
    #expect(reports.statementTimeout == .seconds(10))
    #expect(!"\(list) \(String(reflecting: list))".contains("swordfish"))
  }

  @Test func `a connector serves whom the operator names`() throws {
    let list = try Connector.list(
      parsing: """
        [{"name": "a", "kind": "postgres", "dsn": "host=h"},
         {"name": "b", "kind": "postgres", "dsn": "host=h", "users": ["\(Self.alice)"]}]
        """)
    let alice = UUID(uuidString: Self.alice)
    #expect([alice, UUID(), nil].map { list[0].serves($0) } == [true, true, true])
    #expect([alice, UUID(), nil].map { list[1].serves($0) } == [true, false, false])
    let connectors = Connectors(list, logger: .quiet)
    for (name, user) in [("b", UUID()), ("none", alice)] as [(String, UUID?)] {
      let error = #expect(throws: SimplonError.self) { try connectors.postgres(name, for: user) }
      #expect(error?.code == .toolConnector)
      #expect(error?.message == "there is no connector \"\(name)\" of kind postgres for this run")
    }
    let error = #expect(throws: SimplonError.self) { try connectors.http("a", for: alice) }
    #expect(error?.code == .toolConnector)
  }

  @Test func `a run may be limited to some of the connectors that serve it`() throws {
    let connectors = Connectors(
      try Connector.list(
        parsing: """
          [{"name": "a", "kind": "postgres", "dsn": "host=h"}, {"name": "b", "kind": "http", "base_url": "https://h"},
           {"name": "c", "kind": "postgres", "dsn": "host=h", "users": []}]
          """), logger: .quiet)
    #expect(connectors.serving(nil, among: nil).map(\.name) == ["a", "b"])
    #expect(connectors.serving(nil, among: ["c", "b", "none"]).map(\.name) == ["b"])
    #expect(try connectors.http("b", for: nil, among: ["b"]).methods.contains("GET"))
    let database = #expect(throws: SimplonError.self) { try connectors.postgres("a", for: nil, among: ["b"]) }
    let service = #expect(throws: SimplonError.self) { try connectors.http("b", for: nil, among: []) }
    #expect(database?.code == .toolConnector && service?.code == .toolConnector)
  }

  @Test func `a model is told which connectors serve its run, and which of them only read`() throws {
    let connectors = Connectors(
      try Connector.list(
        parsing: """
          [{"name": "zoo", "kind": "http", "base_url": "https://h", "methods": ["GET", "POST"]},
           {"name": "crm", "kind": "http", "base_url": "https://h", "users": ["\(Self.alice)"]},
           {"name": "ledger", "kind": "postgres", "dsn": "host=h", "read_only": false},
           {"name": "books", "kind": "postgres", "dsn": "host=h", "users": ["\(Self.alice)"]}]
          """), logger: .quiet)
    func shown(_ user: String?, _ names: [String]? = nil) -> ToolCatalog {
      ToolBox.catalog.naming(connectors.serving(user.flatMap { UUID(uuidString: $0) }, among: names))
    }
    func names(_ catalog: ToolCatalog, _ tool: String) -> JSON? {
      catalog[tool]?.inputSchema["properties"]?["connector"]?["enum"]
    }
    let hers = shown(Self.alice)
    #expect(names(hers, "http") == ["crm", "zoo"] && names(hers, "sql") == ["books", "ledger"])
    #expect(hers["http"]?.summary.hasSuffix(" Connectors: crm (read-only), zoo (may write).") == true)
    #expect(hers["sql"]?.summary.hasSuffix(" Connectors: books (read-only), ledger (may write).") == true)
    #expect(hers.all.allSatisfy { InputSchema($0.inputSchema).faults.isEmpty })
    let others = shown(nil)
    #expect(names(others, "http") == ["zoo"] && names(others, "sql") == ["ledger"])
    let few = shown(Self.alice, ["crm"])
    #expect(names(few, "http") == ["crm"] && few["sql"] == nil)
    let fields = shown(Self.alice, ["books"])["http"]?.inputSchema["properties"]?.object?.keys.sorted() ?? []
    #expect(fields.contains("url") && !fields.contains("connector") && !fields.contains("path"))
    #expect(few.all.map(\.name) == ToolBox.catalog.all.map(\.name).filter { $0 != "sql" })
  }

  @Test(arguments: ["", " \n", "[]"]) func `no connector is fine`(_ text: String) throws {
    #expect(try Connector.list(parsing: text).isEmpty)
  }

  @Test(arguments: [
    ("{}", "array of objects"), ("[swordfish]", "no JSON"), ("[1]", "must be an object"),
    (#"[{"kind": "http"}]"#, "\"name\""), (#"[{"name": "A b"}]"#, "\"name\""), (#"[{"name": "a"}]"#, "\"kind\""),
    (#"[{"name": "a", "kind": "smtp"}]"#, "\"kind\""), (#"[{"name": "a", "kind": "http"}]"#, "\"base_url\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://u:swordfish@h"}]"#, "\"base_url\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h?x"}]"#, "\"base_url\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h", "headers": {"x": 1}}]"#, "\"headers\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h", "headers": {"x": "swordfish\n"}}]"#, "\"headers\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h", "headers": {"Host": "x"}}]"#, "\"headers\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h", "methods": ["get"]}]"#, "\"methods\""),
    (#"[{"name": "a", "kind": "http", "base_url": "https://h", "dsn": "host=h"}]"#, "\"dsn\""),
    (#"[{"name": "a", "kind": "postgres"}]"#, "\"dsn\""),
    (#"[{"name": "a", "kind": "postgres", "dsn": "x"}]"#, "\"dsn\""),
    (#"[{"name": "a", "kind": "postgres", "dsn": "host=h", "effects_table": true}]"#, "\"effects_table\""),
    (#"[{"name": "a", "kind": "postgres", "dsn": "host=h", "max_rows": 0}]"#, "\"max_rows\""),
    (#"[{"name": "a", "kind": "postgres", "dsn": "host=h", "statement_timeout": 3}]"#, "\"statement_timeout\""),
    (#"[{"name": "a", "kind": "postgres", "dsn": "host=h", "users": ["me"]}]"#, "\"users\""),
    (
      #"[{"name": "a", "kind": "postgres", "dsn": "host=h"}, {"name": "a", "kind": "postgres", "dsn": "host=h"}]"#,
      "two connectors"
    ),
  ])
  func `a wrong value names its field, and never tells a secret`(_ text: String, _ message: String) {
    let error = #expect(throws: SimplonError.self) { try Connector.list(parsing: text) }
    #expect(error?.code == .configInvalid)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    #expect(error.map { String(reflecting: $0) }?.contains("swordfish") == false)
  }

  @Test func `a path leads below the base and nowhere else`() throws {
    let connector = HTTPConnector(
      baseURL: try EgressURL("https://crm.example/v1/"), headers: [], methods: [], allowsPrivate: false)
    #expect(try connector.url("/users/1").text == "https://crm.example/v1/users/1")
    #expect(try connector.url("//evil.example/x").text == "https://crm.example/v1//evil.example/x")
    for path in [
      "", "users", "/..", "/../admin", "/a/../../admin", "/%2e%2e/admin", "/.%2E/admin", "/a/%2e%2e%2fadmin", "/./x",
      "/a?b", "/a#b", "/a\\..\\b", "@evil.example/", ".evil.example/", "/a b", "/..;/admin", "/..%3Bx/admin",
      "/..%5cadmin", "/%252e%252e/admin", "/%25252e%25252e/admin", "/%2%65%2%65/admin",
      "/%" + String(repeating: "25", count: 500_000) + "2e/x",
    ] {
      let error = #expect(throws: SimplonError.self, "\(path)") { try connector.url(path) }
      #expect(error?.code == .toolInput)
    }
    for (url, isBelow) in [
      ("https://crm.example/v1/x?next=/admin", true), ("https://crm.example/v1", true),
      ("https://crm.example/v10", false),
      ("https://crm.example/admin", false), ("https://crm.example/v1/%2e%2e/admin", false),
    ] {
      #expect(connector.holds(try EgressURL(url)) == isBelow, "\(url)")
    }
  }
}
