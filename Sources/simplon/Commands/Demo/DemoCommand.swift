import ArgumentParser
import Foundation
import SimplonCluster
import SimplonCore

/// `simplon demo`: the example agent, end to end.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Run the example agent, end to end.",
    discussion: """
      It analyses a data set with Python in the sandbox, shows the log live and saves the report and the chart. With \
      --url it works on a running server; else it starts a stack of its own and stops it afterwards.
      """)

  @Option(help: ArgumentHelp("The folder of the example.", valueName: "folder"))
  var example = "examples/dataset-report"

  @Option(help: ArgumentHelp("Where the results are saved.", valueName: "folder"))
  var output = "simplon-demo"

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let plan = "\(example)/plan.yaml"
    guard FileManager.default.fileExists(atPath: plan) else {
      throw SimplonError(
        .requestInvalid, "the example is not at \(example)",
        hint: "Run it in Simplon's source folder, or give --example.")
    }
    if server.url != nil || ProcessInfo.processInfo.environment["SIMPLON_URL"] != nil {
      return try await submit(plan, to: server.client())
    }
    Print.note("starting a stack with a private PostgreSQL in \(server.data) …")
    var dev = DevCommand()
    dev.folder = server.data
    dev.port = 0
    dev.databasePort = 0
    try await dev.withStack { try await submit(plan, to: server.client()) }
  }

  private func submit(_ plan: String, to client: ServerClient) async throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: example).filter { $0.hasSuffix(".csv") }.sorted()
    let json = try PlanFile(plan, attaching: files.map { "\(example)/\($0)" }).json
    let created = try await client.call(
      .post, "/agent/execute", body: ["action": "create", "plan": json, "metadata": ["example": .string(example)]])
    let run = created["run_id"]?.string ?? ""
    Print.note("run \(run)")
    try await RunFollower(client: client, json: server.json).follow(run)
    let status = try await client.call(
      .get, "/agent/status", query: ["run_id": run, "include_artifacts": "true", "limit": "1000"])
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    Print.note("")
    if let result = status["result"], !result.isNull { Print.note("result: \(result.text)") }
    for artifact in status["artifacts"]?["items"]?.array ?? [] {
      guard let id = artifact["id"]?.string, let name = artifact["path"]?.string?.split(separator: "/").last else {
        continue
      }
      let path = "\(output)/\(name)"
      try await client.download(id, to: path)
      Print.out("saved \(path)")
    }
  }
}
