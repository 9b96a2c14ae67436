import ArgumentParser
import Foundation
import SimplonAgents
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import Testing

@testable import simplon

struct ConfigurationTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    .standardizedFileURL

  private func reader(_ variables: [String: String], environment: Environment? = nil) async throws -> SettingsReader {
    try await SettingsReader(environment: environment, folder: "/nonexistent", variables: variables)
  }

  @Test func `the manual lists exactly the settings there are`() throws {
    var text = """
      # Configuration

      Read from the command line, the environment, `.env` and `simplon.yaml` (names in lower case), in this order. A wrong
      value names its key and its range and stops the start. Secrets are never printed. With `--env dev` or `--env prod`,
      `SUPABASE_DEV_…` or `SUPABASE_PROD_…` beat `SUPABASE_…`.
      This page is printed from the code by a test; `SIMPLON_WRITE_DOCS=1 swift test --filter ConfigurationTests` renews it.

      | key | value | default | what it does |
      | --- | --- | --- | --- |

      """
    for setting in Setting.all {
      let secret = setting.isSecret ? " (secret)" : ""
      text +=
        "| `\(setting.name)` | \(setting.range)\(secret) | \(setting.fallback.map { $0.isEmpty ? "" : "`\($0)`" } ?? "") | \(setting.summary) |\n"
    }
    let page = Self.root.appending(path: "docs/configuration.md")
    if ProcessInfo.processInfo.environment["SIMPLON_WRITE_DOCS"] != nil {
      try text.write(to: page, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: page, encoding: .utf8) == text)
  }

  @Test func `every name that users know is honoured`() {
    let names = Set(Setting.all.map(\.name))
    #expect(names.count == Setting.all.count)
    let known = """
      SUPABASE_URL SUPABASE_ANON_KEY SUPABASE_SERVICE_ROLE_KEY SUPABASE_JWT_SECRET SUPABASE_DB_HOST SUPABASE_DB_PORT
      SUPABASE_DB_NAME SUPABASE_DB_USER SUPABASE_DB_PASS SUPABASE_DB_PASSWORD SUPABASE_AGENT_SCHEMA
      ENABLE_SUPABASE_INTEGRATION SUPABASE_ENABLE_REALTIME SUPABASE_ENABLE_RLS SUPABASE_CONNECTION_TIMEOUT
      SUPABASE_MAX_RETRIES SUPABASE_RETRY_DELAY SUPABASE_UPLOAD_TIMEOUT SUPABASE_CHUNK_SIZE SUPABASE_PROGRESS_INTERVAL
      SUPABASE_DEBUG LOG_LEVEL ANTHROPIC_API_KEY OPENAI_API_KEY OPENAI_BASE_URL REDIS_URL DATABASE_URL
      DATABASE_DIRECT_URL SIMPLON_ISSUERS CORE_SUPABASE_URL
      """
    for name in known.split(whereSeparator: \.isWhitespace) { #expect(names.contains(String(name)), "\(name)") }
  }

  @Test func `whatever is wrong, the check before the start finds it and names the key`() async throws {
    for setting in Setting.all {
      let wrong: String? =
        switch setting.kind {
        case .text, .list: nil
        case .flag: "perhaps"
        case .integer(let range): range.upperBound < .max ? "\(range.upperBound + 1)" : "many"
        case .duration(let range): (range.upperBound + .seconds(1)).short
        case .seconds(let range): "\(range.lowerBound - 1)"
        case .choice: "neither"
        case .origins: "app.example"
        case .url: "ftp://x"
        case .database: "nonsense"
        case .schema: "Robert'; drop"
        case .amount: "1e3"
        }
      guard let wrong else { continue }
      let error = await #expect(throws: SimplonError.self, "\(setting.name)") {
        try await reader([setting.name: wrong]).check()
      }
      #expect(error?.code == .configInvalid && error?.details?["key"]?.string == setting.name, "\(setting.name)")
      if setting.isSecret { #expect(error?.message.contains(wrong) == false) }
    }
  }

  @Test func `a value outside its range names the key and the range`() async throws {
    for (setting, value) in [
      (Setting.port, "70000"), (.port, "eighty"), (.lease, "10ms"), (.lease, "soon"), (.slots, "0"),
      (.logLevel, "loud"),
      (.pooler, "maybe"), (.connectionTimeout, "0"), (.slots, "99999999999999999999"),
    ] {
      let reader = try await reader([setting.name: value])
      let error = #expect(throws: SimplonError.self, "\(setting.name)=\(value)") {
        switch setting.kind {
        case .integer: _ = try reader.integer(setting)
        case .duration, .seconds: _ = try reader.duration(setting)
        case .choice: _ = try reader.choice(setting)
        default: _ = try reader.flag(setting)
        }
      }
      #expect(error?.code == .configInvalid)
      #expect(error?.message.contains(setting.name) == true && error?.message.contains(setting.range) == true)
    }
  }

  @Test(arguments: [Setting.databaseURL, .directURL])
  func `a wrong value that is a secret is not told`(_ setting: Setting) async throws {
    let reader = try await reader([setting.name: "swordfish"])
    let error = #expect(throws: SimplonError.self) { try reader.check() }
    #expect(error?.message.contains(setting.name) == true)
    #expect(error.map { String(reflecting: $0) + $0.json.text }?.contains("swordfish") == false)
  }

  @Test func `the environment's own names beat the common ones, and only where one was chosen`() async throws {
    let variables = ["SUPABASE_URL": "a", "SUPABASE_PROD_URL": "b"]
    #expect(try await reader(variables).text(.url) == "a")
    #expect(try await reader(variables, environment: .prod).text(.url) == "b")
    #expect(try await reader(variables, environment: .dev).text(.url) == "a")
  }

  @Test func `a file's values are read, and the environment beats them`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-config-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try "simplon_slots: 7\nsimplon_pooler: true\nlog_level: debug\nsimplon_cap_per_run: 2.5\n".write(
      to: folder.appending(path: "simplon.yaml"), atomically: true, encoding: .utf8)
    try "SIMPLON_GRACE=3s\n".write(to: folder.appending(path: ".env"), atomically: true, encoding: .utf8)
    let reader = try await SettingsReader(folder: folder.path, variables: ["LOG_LEVEL": "ERROR"])
    #expect(try reader.integer(.slots) == 7)
    #expect(try reader.flag(.pooler))
    #expect(try reader.duration(.grace) == .seconds(3))
    #expect(try reader.amount(.capPerRun) == "2.5")
    #expect(try reader.choice(.logLevel) == "error")
  }

  private func withFile(_ yaml: String, _ body: (SettingsReader) throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-config-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try yaml.write(to: folder.appending(path: "simplon.yaml"), atomically: true, encoding: .utf8)
    try body(try await SettingsReader(folder: folder.path, variables: [:]))
  }

  @Test func `a list in a file is a list, and refused where none may be`() async throws {
    try await withFile("simplon_cors_origins: [https://a.example, 'https://b.example:8443']\nsimplon_roles: [api]\n") {
      #expect($0.list(.origins) == ["https://a.example", "https://b.example:8443"])
      #expect($0.list(.roles) == ["api"])
      try $0.check()
    }
    for key in ["simplon_host", "simplon_port", "supabase_url", "simplon_pooler"] {
      try await withFile("\(key): [a, b]\n") { reader in
        let error = #expect(throws: SimplonError.self, "\(key)") { try reader.check() }
        #expect(error?.code == .configInvalid)
        #expect(error?.message.contains(key.uppercased()) == true)
      }
    }
  }

  @Test(arguments: [
    "*", "https://app.example", "http://localhost:3000,https://[2001:db8::1]:8443", "app+x://a-b_c", "",
  ])
  func `origins as browsers send them are taken`(_ text: String) async throws {
    try await reader([Setting.origins.name: text]).check()
  }

  @Test(arguments: [
    "app.example", "https://app.example/", "https://app.example/path", "https://App.example", "*,https://app.example",
    "https://", "https://a b", "null", "https://app.example:port", "https://me@app.example",
  ])
  func `what no browser sends as its origin is refused`(_ text: String) async throws {
    let reader = try await reader([Setting.origins.name: text])
    let error = #expect(throws: SimplonError.self) { try reader.check() }
    #expect(error?.code == .configInvalid)
    #expect(error?.message.contains("SIMPLON_CORS_ORIGINS") == true)
  }

  @Test func `an address that would beat the chosen environment's is refused`() async throws {
    let variables = ["DATABASE_URL": "postgresql://a/b", "SUPABASE_PROD_DB_HOST": "prod.example"]
    #expect(try await DatabaseAddress(reader(variables)).dsn == "postgresql://a/b")
    let both = try await reader(variables, environment: .prod)
    let error = #expect(throws: SimplonError.self) { try DatabaseAddress(both) }
    #expect(error?.code == .configInvalid)
    #expect(try DatabaseAddress(both, override: "host=c").dsn == "host=c")
    let own = try await reader(["SUPABASE_PROD_DB_HOST": "prod.example"], environment: .prod)
    #expect(try DatabaseAddress(own).dsn.contains("prod.example"))
    #expect(throws: (any Error).self) { try ServeCommand.parse(["--env", "staging"]) }
  }

  private func settings(_ variables: [String: String]) async throws -> Stack.Settings {
    try Stack.Settings(
      await reader(variables), callers: DatabaseAddress(dsn: "postgresql://h/d"),
      engine: DatabaseAddress(dsn: "host=h"), direct: DatabaseAddress(dsn: "host=direct"), issuers: [],
      keys: APIKeys())
  }

  @Test func `events and runs are kept for ever, or each for its own time`() async throws {
    let unset = try await settings([:]).worker
    #expect(unset.logRetention == nil && unset.runRetention == nil)
    let worker = try await settings(["SIMPLON_LOG_RETENTION": "90d", "SIMPLON_RUN_RETENTION": "30d"]).worker
    #expect(worker.logRetention == .seconds(90 * 86_400) && worker.runRetention == .seconds(30 * 86_400))
  }

  @Test func `caps and the limits of the queue are read, and 0 is no limit`() async throws {
    let unset = try await settings([:])
    #expect(unset.worker.runsPerUser == nil && unset.worker.runsTotal == nil)
    #expect(unset.intake.perUser == 100_000 && unset.intake.total == 1_000_000)
    #expect(unset.intake.patience == .seconds(2))
    let set = try await settings([
      "SIMPLON_RUNS_PER_USER": "3", "SIMPLON_RUNS_TOTAL": "9", "SIMPLON_QUEUE_PER_USER": "0",
      "SIMPLON_QUEUE_TOTAL": "7", "SIMPLON_INTAKE_PATIENCE": "100ms",
    ])
    #expect(set.worker.runsPerUser == 3 && set.worker.runsTotal == 9)
    #expect(set.intake.perUser == nil && set.intake.total == 7 && set.intake.patience == .milliseconds(100))
  }

  @Test func `what tools may reach is read, and a mistake in it stops the start without telling a secret`() async throws
  {
    let set = try await settings([
      "SIMPLON_EGRESS_ALLOW": "api.example.com, *.example.org:8443", "SIMPLON_EGRESS_ALLOW_PRIVATE": "true",
      "SIMPLON_CONNECTORS": #"[{"name": "web", "kind": "http", "base_url": "https://web.example"}]"#,
    ])
    #expect(set.connectors.map(\.name) == ["web"])
    #expect(try await settings(["SIMPLON_APPROVALS": #"[{"tool": "shell"}]"#]).approvals != .none)
    #expect(try await settings([:]).approvals == .none)
    #expect(try await settings([:]).connectors.isEmpty)
    for (key, value) in [
      ("SIMPLON_EGRESS_ALLOW", "https://swordfish.example"), ("SIMPLON_CONNECTORS", #"[{"name": "swordfish"]"#),
      ("SIMPLON_CONNECTORS", #"[{"name": "a", "kind": "postgres", "dsn": "swordfish"}]"#),
      ("SIMPLON_APPROVALS", #"[{"tool": "shel"}]"#), ("SIMPLON_APPROVALS", "shell"),
    ] {
      let error = await #expect(throws: SimplonError.self, "\(key)") { try await settings([key: value]) }
      #expect(error?.code == .configInvalid && error?.message.contains(key) == true)
      if key == "SIMPLON_CONNECTORS" { #expect(error?.message.contains("swordfish") == false) }
    }
  }

  @Test func `memories get vectors, and tasks a judge, where the operator names one`() async throws {
    let none = try await settings(["OPENAI_API_KEY": "k", "SIMPLON_EVALUATOR_KEY": "k"])
    #expect(none.embeddings == nil && none.evaluator == nil)
    let key = try await settings(["SIMPLON_EMBEDDINGS_KEY": "k"]).embeddings
    #expect(key?.url == "https://api.openai.com/v1" && key?.model == "text-embedding-3-small" && key?.key != nil)
    let own = try await settings([
      "SIMPLON_EMBEDDINGS_URL": "http://h:1/v1/", "SIMPLON_EMBEDDINGS_MODEL": "m",
      "SIMPLON_EVALUATOR_URL": "http://h/judge",
    ])
    #expect(own.embeddings?.url == "http://h:1/v1" && own.embeddings?.model == "m" && own.embeddings?.key == nil)
    #expect(own.evaluator?.url == "http://h/judge" && own.evaluator?.key == nil)
    let error = await #expect(throws: SimplonError.self) { try await settings(["SIMPLON_EMBEDDINGS_KEY": "a b"]) }
    #expect(error?.code == .configInvalid)
  }

  @Test func `the sessions of both logins find tables in the schema, but for those through a pooler`() async throws {
    let direct = try await settings(["SUPABASE_AGENT_SCHEMA": "agents"])
    #expect(direct.callers.dsn == "postgresql://h/d?options=-csearch_path%3Dagents")
    #expect(direct.engine.dsn == "host=h options='-csearch_path=agents'")
    let pooled = try await settings(["SUPABASE_AGENT_SCHEMA": "agents", "SIMPLON_POOLER": "true"])
    #expect(pooled.callers.dsn == "postgresql://h/d" && pooled.engine.dsn == "host=h")
    #expect(pooled.direct?.dsn == "host=direct options='-csearch_path=agents'")
    #expect(try await settings([:]).engine.dsn == "host=h")
  }

  @Test func `without any address of a database the start is refused, with what to set`() async throws {
    let reader = try await reader(["SUPABASE_URL": "https://x.supabase.co", "SUPABASE_ANON_KEY": "k"])
    let error = #expect(throws: SimplonError.self) { try DatabaseAddress(reader) }
    #expect(error?.code == .configMissing)
    #expect(error?.hint?.contains("DATABASE_URL") == true)
  }

  @Test func `another login's words beat the address's own, quoted`() async throws {
    #expect(
      DatabaseAddress(dsn: "postgresql://postgres:x@h:5432/db?sslmode=require").with(
        user: "simplon_api", password: "p&='x"
      ).dsn
        == "postgresql://postgres:x@h:5432/db?sslmode=require&user=simplon_api&password=p%26%3D%27x")
    #expect(
      DatabaseAddress(dsn: "host=h").with(user: "u", password: #"a'b\c"#).dsn == #"host=h user='u' password='a\'b\\c'"#)
  }
}
