import ArgumentParser
import Foundation
import NIOHTTP1
import SimplonCore

/// `simplon run`: gives a running server something to do.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Start a run on a running server.",
    discussion: "With --follow the log is shown as it is written, and the exit code tells how the run ended.")

  @Argument(help: "What the agent is to do; a model plans it.")
  var prompt: String?

  @Option(help: ArgumentHelp("The model to ask, such as anthropic/claude-sonnet-4-5.", valueName: "name"))
  var model: String?

  @Option(help: ArgumentHelp("A tool that it may use, and no others but those named.", valueName: "name"))
  var tool: [String] = []

  @Option(help: ArgumentHelp("A plan, as YAML or JSON.", valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("A saved workflow.", valueName: "name"))
  var workflow: String?

  @Option(help: ArgumentHelp("The workflow's inputs, as JSON.", valueName: "object"))
  var inputs: String?

  @Option(help: ArgumentHelp("A file that every step finds in its work folder.", valueName: "file"))
  var attach: [String] = []

  @Option(help: ArgumentHelp("A key that makes repeating the command harmless.", valueName: "text"))
  var idempotencyKey: String?

  @Flag(help: "Show the log until the run ends.")
  var follow = false

  @OptionGroup var server: ServerOptions

  func validate() throws {
    guard [prompt, plan, workflow].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("give a prompt, --plan FILE or --workflow NAME")
    }
    guard inputs == nil || workflow != nil else { throw ValidationError("--inputs goes with --workflow") }
    guard model == nil || prompt != nil else { throw ValidationError("--model goes with a prompt") }
    guard attach.isEmpty || plan != nil else { throw ValidationError("--attach goes with --plan") }
  }

  func run() async throws {
    let client = try await server.client()
    var body: [String: JSON] = ["action": "create"]
    body["prompt"] = prompt.map(JSON.string)
    body["model"] = model.map(JSON.string)
    if !tool.isEmpty { body["tools"] = .array(tool.map(JSON.string)) }
    body["plan"] = try plan.map { try PlanFile($0, attaching: attach).json }
    body["workflow"] = workflow.map(JSON.string)
    body["inputs"] = try inputs.map { try JSON(parsing: $0) }
    let created = try await client.call(
      .post, "/agent/execute", body: .object(body),
      headers: idempotencyKey.map { ["Idempotency-Key": $0] } ?? [:])
    let run = created["run_id"]?.string ?? ""
    guard follow else {
      let words = "run \(run) is \(created["status"]?.string ?? "created")"
      return try server.json ? Print.out(created) : Print.out(Print.clean(words))
    }
    if server.json { try Print.out(created) } else { Print.note("run \(Print.clean(run))") }
    try await RunFollower(client: client, json: server.json).follow(run)
  }
}
