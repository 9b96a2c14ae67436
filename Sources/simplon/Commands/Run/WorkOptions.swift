import ArgumentParser
import SimplonCore

/// What a run is to do, besides a prompt, which each command takes in its own way.
struct WorkOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The model to ask, such as anthropic/claude-sonnet-4-5.", valueName: "name"))
  var model: String?

  @Option(help: ArgumentHelp("A tool that it may use, and no others but those named.", valueName: "name"))
  var tool: [String] = []

  @Option(help: ArgumentHelp("A connector that it may use, and no others but those named.", valueName: "name"))
  var connector: [String] = []

  @Option(help: ArgumentHelp("A plan, as YAML or JSON.", valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("A saved workflow.", valueName: "name"))
  var workflow: String?

  @Option(help: ArgumentHelp("The workflow's inputs, as JSON.", valueName: "object"))
  var inputs: String?

  @Option(help: ArgumentHelp("A file that every step finds in its work folder.", valueName: "file"))
  var attach: [String] = []

  /// Checks that there is one thing to do, and nothing that belongs to another.
  ///
  /// - Throws: `ValidationError`.
  func check(prompt: String?) throws {
    guard [prompt, plan, workflow].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("give a prompt, --plan FILE or --workflow NAME")
    }
    guard inputs == nil || workflow != nil else { throw ValidationError("--inputs goes with --workflow") }
    guard model == nil || prompt != nil else { throw ValidationError("--model goes with a prompt") }
    guard attach.isEmpty || plan != nil else { throw ValidationError("--attach goes with --plan") }
  }

  /// The members of a request that makes such a run.
  ///
  /// - Throws: as ``PlanFile``; `request.invalid` for inputs that are no JSON.
  func members(prompt: String?) throws -> [String: JSON] {
    var members = [String: JSON]()
    members["prompt"] = prompt.map(JSON.string)
    members["model"] = model.map(JSON.string)
    if !tool.isEmpty { members["tools"] = .array(tool.map(JSON.string)) }
    if !connector.isEmpty { members["connectors"] = .array(connector.map(JSON.string)) }
    members["plan"] = try plan.map { try PlanFile($0, attaching: attach).json }
    members["workflow"] = workflow.map(JSON.string)
    members["inputs"] = try inputs.map { try JSON(parsing: $0) }
    return members
  }
}
