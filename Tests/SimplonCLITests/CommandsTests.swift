import ArgumentParser
import Foundation
import SimplonCore
import TestSupport
import Testing

@testable import simplon

/// Commands in this process, against a stack and databases of their own.
///
/// The sandbox's guard is the program itself, which this process is not, so plans here use tools that need none.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CommandsTests {
  @Test func `a stack starts, works off a plan, and every command finds it`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
      let data = "\(folder)/data"
      let plan = "\(folder)/plan.yaml"
      try """
      steps:
        - id: read
          tool: files
          with: { op: read, path: words.txt }
      artifacts: ["words.txt"]
      """.write(toFile: plan, atomically: true, encoding: .utf8)
      try "some words".write(toFile: "\(folder)/words.txt", atomically: true, encoding: .utf8)
      let dev = try DevCommand.parse(["--data", data, "--port", "0", "--db-port", "0"])
      try await dev.withStack {
        let words = "\(folder)/words.txt"
        try await run(RunCommand.self, ["--plan", plan, "--attach", words, "--data", data, "--follow"])
        try await run(RunCommand.self, ["a prompt", "--data", data, "--json", "--idempotency-key", "k"])
        try await run(StatusCommand.self, ["--data", data])
        try await run(StatusCommand.self, ["--data", data, "--json"])
        for more in [[], ["--json"]] {
          try await run(TokenCommand.self, ["--sub", UUID().uuidString, "--data", data] + more)
        }
        try await run(RunsList.self, ["--data", data])
        let client = try await ServerOptions.parse(["--data", data]).client()
        let runs = try await client.call(.get, "/agent/status")["runs"]?.array ?? []
        #expect(runs.count == 2)
        let finished = try #require(runs.last?["run_id"]?.string)
        #expect(runs.last?["status"] == "completed")
        for arguments in [[finished, "--data", data], [finished, "--data", data, "--json"]] {
          try await run(RunsShow.self, arguments)
          try await run(RunsLogs.self, arguments)
          try await run(RunsLogs.self, arguments + ["--follow"])
          try await run(RunsWhy.self, arguments)
          try await run(RunsStop.self, arguments)
        }
        try await run(RunsRetry.self, [finished, "--data", data])
        try await client.follow(finished) { _ in }
        for command in [RunsStart.self, RunsResume.self] as [any AsyncParsableCommand.Type] {
          let error = await #expect(throws: SimplonError.self) { try await run(command, [finished, "--data", data]) }
          #expect(error?.code == .runState)
        }
        let artifacts = try await client.call(
          .get, "/agent/status", query: ["run_id": finished, "include_artifacts": "true"])["artifacts"]
        let id = try #require(artifacts?["items"]?.array?.first?["id"]?.string)
        try await client.download(id, to: "\(folder)/copy.txt")
        #expect(try String(contentsOfFile: "\(folder)/copy.txt", encoding: .utf8) == "some words")
      }
      let error = await #expect(throws: SimplonError.self) { try await run(StatusCommand.self, ["--data", data]) }
      #expect(error?.code == .serverUnreachable)
    }
  }

  @Test func `the schema is pushed, shown, verified, taken back and pushed again`() async throws {
    try await withTestDatabase(.empty) { database in
      let url = ["--db-url", database.admin]
      try await run(DBPush.self, url + ["--to", "20260113000003"])
      await #expect(throws: ExitCode(1)) { try await run(DBStatus.self, url + ["--json"]) }
      try await run(DBPush.self, url + ["--json"])
      try await run(DBStatus.self, url)
      try await run(DBVerify.self, url)
      await #expect(throws: (any Error).self) { try await run(DBRollback.self, url) }
      try await run(DBRollback.self, url + ["--yes"])
      try await run(DBRollback.self, url + ["--yes", "--to", "0", "--json"])
      #expect(try await database.execute("select to_regclass('agent_runs') is null") == ["t"])
      try await run(DBPush.self, url)
      try await run(DBPush.self, url)
    }
  }

  @Test func `a new migration is two files`() async throws {
    try await withTestFolder { folder in
      try await run(DBNew.self, ["Add a note", "--dir", "\(folder)/migrations"])
      let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sql") }.sorted()
      #expect(files.count == 2)
      #expect(files.first?.hasPrefix("migrations/") == true && files.first?.hasSuffix("_add_a_note.sql") == true)
      #expect(files.last?.hasPrefix("undo/") == true && files.last?.hasSuffix("_add_a_note.undo.sql") == true)
    }
  }

  @Test(arguments: [
    ["run"], ["run", "a prompt", "--plan", "x"], ["run", "a prompt", "--attach", "x"], ["dev", "--port", "70000"],
    ["token", "--sub", "x"], ["token", "--sub", "x", "--nonsense"], ["nonsense"],
    ["schedules", "add", "x", "--every", "1m"], ["schedules", "add", "x", "--prompt", "x"],
    ["schedules", "add", "x", "--every", "1m", "--workflow", "x", "--model", "x"],
  ])
  func `wrong words are refused with the usage`(arguments: [String]) {
    #expect(throws: (any Error).self) { try Simplon.parseAsRoot(arguments) }
  }

  @Test(arguments: [
    ["--sub", "x"], ["--sub", UUID().uuidString, "--role", "king"], ["--sub", UUID().uuidString, "--ttl", "soon"],
  ])
  func `a token for nonsense is refused`(arguments: [String]) async {
    await #expect(throws: (any Error).self) { try await run(TokenCommand.self, arguments) }
  }
}

private func run(_ command: any AsyncParsableCommand.Type, _ arguments: [String]) async throws {
  var command = try command.parse(arguments)
  try await command.run()
}
