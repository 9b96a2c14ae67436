import ArgumentParser
import SimplonCore

/// `simplon workflows add`.
struct WorkflowsAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "add", abstract: "Save a plan under a name.")

  @OptionGroup var target: NameArgument

  @Option(help: ArgumentHelp("The plan, as YAML or JSON.", valueName: "file"))
  var plan: String

  @Option(help: ArgumentHelp("The JSON Schema of its inputs, as YAML or JSON.", valueName: "file"))
  var inputs: String?

  @Option(help: ArgumentHelp("What it is for.", valueName: "text"))
  var description: String?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    var body: [String: JSON] = ["name": .string(target.name)]
    body["plan"] = try PlanFile(plan, attaching: []).json
    body["inputs"] = try inputs.map { try PlanFile($0, attaching: []).json }
    body["description"] = description.map(JSON.string)
    let saved = try await server.client().call(.post, "/api/v1/workflows", body: .object(body))
    try server.json ? Print.out(saved) : Print.out("workflow \(target.name) is saved")
  }
}
