import ArgumentParser
import SimplonCore

/// `simplon runs fork`.
struct RunsFork: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fork", abstract: "Make a run that begins where another one was.",
    discussion: """
      It takes over what was settled before that point, and the old run stays as it is. A step is done again, or has the \
      output that you give; what needs it is done again.
      """)

  @OptionGroup var target: RunArgument

  @Option(help: ArgumentHelp("Begin at this step; without it, where the run stands.", valueName: "step"))
  var at: String?

  @Option(help: ArgumentHelp("Keep the transcript up to this message.", valueName: "number"))
  var atMessage: Int?

  @Option(help: "Say this to the model there.")
  var message: String?

  @Option(help: "Ask this model from there on, such as anthropic/claude-sonnet-4-5.")
  var model: String?

  @Option(help: ArgumentHelp("The step's output instead of doing it again.", valueName: "json"))
  var output: String?

  @Option(help: "Begin with another prompt and keep nothing.")
  var prompt: String?

  @OptionGroup var server: ServerOptions

  func validate() throws {
    guard at == nil || atMessage == nil else { throw ValidationError("--at and --at-message exclude each other.") }
    guard output == nil || at != nil else { throw ValidationError("--output is a step's: give --at STEP too.") }
    if let output, (try? JSON(parsing: output)) == nil { throw ValidationError("--output is no JSON.") }
  }

  func run() async throws {
    var body = [String: JSON]()
    body["step_id"] = at.map(JSON.string)
    body["at_message"] = atMessage.map { .integer($0) }
    body["message"] = message.map(JSON.string)
    body["model"] = model.map(JSON.string)
    body["output"] = try output.map { try JSON(parsing: $0) }
    body["prompt"] = prompt.map(JSON.string)
    try server.show(try await server.client().act("fork", on: target.run, body))
  }
}
