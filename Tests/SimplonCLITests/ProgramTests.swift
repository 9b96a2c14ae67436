import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SimplonCluster
import SimplonCore
import TestSupport
import Testing

@testable import simplon

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real program's output and exit codes, which scripts rely on.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ProgramTests {
  private static let plan = """
    steps:
      - { id: one, tool: files, with: { op: write, path: a/note.txt, content: first } }
      - { id: two, tool: files, with: { op: write, path: b/note.txt, content: second } }
      - { id: said, tool: shell, with: { command: "printf '\\\\033[31mred\\\\n'" } }
    output: { code: "${{ steps.said.output.exit_code }}" }
    artifacts: ["**/*.txt"]
    """

  private func withFolder(_ body: (String) async throws -> Void) async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      try Self.plan.write(toFile: "\(folder)/plan.yaml", atomically: true, encoding: .utf8)
      try await body(folder)
    }
  }

  private func names(_ json: JSON?) -> Set<String> { Set(json?.object?.keys ?? [:].keys) }

  @Test func `what commands print as JSON on a running stack`() async throws {
    try await withFolder { folder in
      let program = Program(folder: folder, environment: ["SIMPLON_DATA": "\(folder)/data"])
      try await program.run("dev", "--port", "0", "--db-port", "0", "--json") { child in
        let ready = try await child.line()
        let keys: Set = [
          "api_url", "db_url", "anon_key", "service_role_key", "publishable_key", "secret_key", "jwt_secret", "data",
        ]
        #expect(names(ready) == keys)
        let status = try await program.run("status", "--json")
        #expect(status.code == 0 && status.lines == [ready])

        let made = try await program.run("run", "--plan", "plan.yaml", "--json", "--follow")
        #expect(made.code == 0)
        #expect(names(made.lines.first) == ["run_id", "status", "created_at"])
        #expect(made.lines.dropFirst().allSatisfy { names($0) == ["seq", "at", "level", "kind", "payload"] })
        #expect(made.lines.last?["kind"] == "done")
        let run = try #require(made.lines.first?["run_id"]?.string)
        let shown = try await program.run("run", "--plan", "plan.yaml", "--follow")
        #expect(shown.out.contains(" [31mred"), "no tool steers the terminal of whoever looks later")

        let list = try await program.run("runs", "list", "--json")
        #expect(names(list.lines.first) == ["runs", "next_cursor"])
        let show = try await program.run("runs", "show", run, "--json")
        #expect(
          show.lines.first?["status"] == "completed" && show.lines.first?["artifacts"]?["items"]?.array?.count == 2)
        let logs = try await program.run("runs", "logs", run, "--json")
        #expect(logs.lines == Array(made.lines.dropFirst()))
        let why = try await program.run("runs", "why", run, "--json")
        #expect(names(why.lines.first).isSuperset(of: ["code", "message"]))
        let stop = try await program.run("runs", "stop", run, "--json")
        #expect(names(stop.lines.first) == ["run_id", "status"])
        let refused = try await program.run("runs", "resume", run, "--json")
        #expect(refused.code == 1 && refused.out == "")
        #expect(names(refused.error) == ["code", "message", "details", "hint"])
        #expect(refused.error["code"] == "run.state")

        let demo = try await program.run("demo", "--example", ".", "--output", "saved", "--json")
        #expect(demo.code == 0, "\(demo.errors)")
        #expect(!demo.lines.contains(.null))
        #expect(demo.lines.contains(["result": ["code": 0]]))
        let saved = demo.lines.filter { $0["saved"] != nil }
        #expect(Set(saved.compactMap { $0["artifact"]?.string }) == ["a/note.txt", "b/note.txt"])
        for (path, text) in [("a/note.txt", "first"), ("b/note.txt", "second")] {
          let bytes = FileManager.default.contents(atPath: "\(folder)/saved/\(path)")
          #expect(bytes == Data(text.utf8))
        }
        child.signal(SIGTERM)
      }
    }
  }

  @Test func `a schema of one's own serves as well as the public one`() async throws {
    try await withFolder { folder in
      try await withTestDatabase(.empty) { database in
        let passwords = database.cluster.state.passwords
        let program = Program(
          folder: folder,
          environment: [
            "DATABASE_URL": database.admin, "SUPABASE_AGENT_SCHEMA": "agents", "SIMPLON_DATA": "\(folder)/data",
            "SIMPLON_API_PASSWORD": passwords[.api] ?? "", "SIMPLON_WORKER_PASSWORD": passwords[.worker] ?? "",
            "SUPABASE_URL": "http://project.example", "SUPABASE_JWT_SECRET": "a secret of the tests alone, of 32 bytes",
            "SIMPLON_PORT": "0",
          ])
        let pushed = try await program.run("db", "push", "--json")
        #expect(pushed.code == 0, "\(pushed.errors)")
        // The passwords were given, so nobody needs to see them.
        #expect(pushed.lines.map(names) == [["applied"]])
        #expect(pushed.errors.contains(#""progress":"applying migrations""#))
        let settings = try await database.execute(
          "select string_agg(setrole::regrole || ' ' || setconfig[1], ', ' order by setrole::regrole::text)"
            + " from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())"
        )
        #expect(settings == ["simplon_api search_path=agents, simplon_worker search_path=agents"])
        // What was pushed for poolers must not be what makes it work here.
        try await database.execute(
          "alter role simplon_api in database \(database.name) reset all;"
            + "alter role simplon_worker in database \(database.name) reset all")
        let end = try await program.run("serve", "--json") { child in
          let url = try #require(try await child.line()["api_url"]?.string)
          var caller = program
          caller.environment["SIMPLON_URL"] = url
          let token = try await program.run("token", "--sub", UUID().uuidString, "--data", "\(folder)/none")
          caller.environment["SIMPLON_TOKEN"] = token.out.split(separator: "\n").first.map(String.init)
          let made = try await caller.run("run", "--plan", "plan.yaml", "--follow", "--json")
          #expect(made.code == 0, "\(made.out) \(made.errors)")
          child.signal(SIGTERM)
        }
        #expect(end.code == 0, "\(end.errors)")
      }
    }
  }

  @Test func `migrations go past the pooler where there is a way`() async throws {
    try await withFolder { folder in
      try await withTestDatabase { database in
        var program = Program(
          folder: folder, environment: ["DATABASE_URL": "host=/nowhere", "DATABASE_DIRECT_URL": database.owner])
        let status = try await program.run("db", "status", "--json")
        #expect(status.code == 0 && status.lines.first?["current"] == true, "\(status.errors)")
        program.environment["DATABASE_DIRECT_URL"] = nil
        let refused = try await program.run("db", "status", "--json")
        #expect(refused.code == 3)
        let named = try await program.run("db", "status", "--db-url", database.owner)
        #expect(named.code == 0)
      }
    }
  }

  @Test func `a worker alone says where it can be watched, and needs no project`() async throws {
    try await withFolder { folder in
      try await withTestDatabase { database in
        let program = Program(
          folder: folder,
          environment: [
            "DATABASE_URL": database.worker, "SIMPLON_DATA": "\(folder)/data", "SIMPLON_ROLES": "worker",
            "SIMPLON_PORT": "0",
            "SIMPLON_WORKER_PASSWORD": database.cluster.state.passwords[.worker] ?? "",
          ])
        let end = try await program.run("serve", "--json") { child in
          let line = try await child.line()
          let url = try #require(line["worker_url"]?.string)
          for path in ["/health", "/ready", "/metrics", "/openapi.json"] {
            let answer = try await HTTPClient.shared.execute(HTTPClientRequest(url: url + path), timeout: .seconds(10))
            #expect(answer.status == .ok, "\(path)")
            let body = String(buffer: try await answer.body.collect(upTo: 1 << 20))
            if path == "/metrics" { #expect(body.contains("simplon_worker_running_runs 0")) }
            if path == "/openapi.json" { #expect(!body.contains("/agent/")) }
          }
          let agent = try await HTTPClient.shared.execute(
            HTTPClientRequest(url: url + "/agent/status"), timeout: .seconds(10))
          #expect(agent.status == .notFound)
          child.signal(SIGTERM)
        }
        #expect(end.code == 0, "\(end.errors)")
      }
    }
  }

  @Test(arguments: [
    ("SUPABASE_URL", ""), ("SUPABASE_URL", "project.example"), ("SIMPLON_CORS_ORIGINS", "app.example"),
    ("SIMPLON_ROLES", "king"), ("SIMPLON_PORT", "x"),
    ("SIMPLON_LEASE", "10ms"), ("LOG_LEVEL", "loud"), ("SUPABASE_ENABLE_RLS", "false"), ("SIMPLON_ISSUERS", "{"),
    ("SUPABASE_JWT_SECRET", "short"), ("DATABASE_URL", "nonsense"), ("SIMPLON_WORKER_PASSWORD", ""),
  ])
  func `a wrong configuration ends with 2 and names its key`(_ key: String, _ value: String) async throws {
    try await withFolder { folder in
      var program = Program(
        folder: folder,
        environment: [
          "DATABASE_URL": "postgresql://127.0.0.1:1/x", "SIMPLON_WORKER_PASSWORD": "x",
          "SUPABASE_URL": "http://project.example", "SUPABASE_JWT_SECRET": "a secret of the tests alone, of 32 bytes",
        ])
      program.environment[key] = value
      let end = try await program.run("serve", "--json")
      #expect(end.code == 2, "\(end.errors)")
      #expect(end.error["code"]?.string?.hasPrefix("config.") == true)
      #expect(end.error["message"]?.string?.contains(key) == true)
      #expect(end.out == "")
    }
  }

  @Test func `wrong usage and a server that is not there are JSON too`() async throws {
    try await withFolder { folder in
      let program = Program(folder: folder)
      let usage = try await program.run("run", "--json")
      #expect(usage.code == 2)
      #expect(names(usage.error) == ["code", "message", "details", "hint"])
      for words in [["--url", "notaurl", "--token", "x"], ["--url", "ftp://x", "--token", "x"], ["--token", "a\nb"]] {
        let wrong = try await program.run(["runs", "list", "--json"] + words)
        #expect(wrong.code == 2)
        #expect(wrong.error["code"] == "config.invalid")
      }
      let gone = try await program.run("run", "hello", "--url", "http://127.0.0.1:1", "--token", "x", "--json")
      #expect(gone.code == 3)
      #expect(gone.error["code"] == "server.unreachable")
      let made = try await program.run("db", "new", "Add a note", "--json")
      #expect(names(made.lines.first) == ["sql", "undo"])
      for file in try #require(made.lines.first?.object).values {
        #expect(FileManager.default.fileExists(atPath: "\(folder)/\(file.string ?? "")"))
      }
    }
  }
}
