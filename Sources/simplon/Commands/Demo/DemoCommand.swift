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
      --url, or when simplon dev runs on the data folder, it works there; else it starts a stack and stops it afterwards.
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
    let folder = try await dataFolder(given: server.data)
    if server.namedURL == nil, !(await DevState.isRunning(in: folder)) {
      Print.note("starting a stack with a private PostgreSQL in \(folder) …")
      // Only the parser gives every option a value.
      let dev = try DevCommand.parse(["--data=\(folder)", "--port=0", "--db-port=0"])
      return try await dev.withStack { try await submit(plan, to: server.client()) }
    }
    try await submit(plan, to: server.client())
  }

  private func submit(_ plan: String, to client: ServerClient) async throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: example).filter { $0.hasSuffix(".csv") }.sorted()
    let json = try PlanFile(plan, attaching: files.map { "\(example)/\($0)" }).json
    let created = try await client.call(
      .post, "/agent/execute", body: ["action": "create", "plan": json, "metadata": ["example": .string(example)]])
    let run = created["run_id"]?.string ?? ""
    try server.json ? Print.out(created) : Print.note("run \(run)")
    try await RunFollower(client: client, json: server.json).follow(run)
    let status = try await client.run(run, including: ["artifacts"])
    if let result = status["result"], !result.isNull {
      try server.json ? Print.out(["result": result]) : Print.out("result: \(Print.clean(result.text))")
    }
    for artifact in try await client.all("artifacts", of: status) { try await save(artifact, from: client) }
  }

  /// Where a file is saved: the server says where in the folder, but never outside of it.
  static func place(of name: String, in folder: String) -> String {
    // By scalars, as the system does: a slash and a combining mark after it are one character.
    let parts = name.unicodeScalars.split(separator: "/").map { String($0) }
    return ([folder] + parts.filter { $0 != "." && $0 != ".." }).joined(separator: "/")
  }

  private func save(_ artifact: JSON, from client: ServerClient) async throws {
    guard let id = artifact["id"]?.string, let name = artifact["path"]?.string else { return }
    let path = Self.place(of: name, in: output)
    try FileManager.default.createDirectory(
      atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
    var progress = Progress(Print.clean(name), of: artifact["size"]?.integer, .bytes, asJSON: server.json)
    try await client.download(id, to: path) { progress.update($0) }
    progress.clear()
    try server.json
      ? Print.out(["artifact": .string(name), "saved": .string(path)]) : Print.out("saved \(Print.clean(path))")
  }
}
