import ArgumentParser
import SimplonCore

/// `simplon schedules add`.
struct SchedulesAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "add", abstract: "Say what shall run, and when.")

  @OptionGroup var target: NameArgument

  @Option(help: ArgumentHelp("Five fields, such as \"0 9 * * mon-fri\".", valueName: "fields"))
  var cron: String?

  @Option(help: ArgumentHelp("A time such as 15m, instead.", valueName: "time"))
  var every: String?

  @Option(help: ArgumentHelp("Whose clock --cron goes by, such as Europe/Zurich.", valueName: "name"))
  var timeZone: String?

  @Option(help: ArgumentHelp("A prompt to run.", valueName: "text"))
  var prompt: String?

  @Option(help: ArgumentHelp("A plan to run, as YAML or JSON.", valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("A saved workflow to run.", valueName: "name"))
  var workflow: String?

  @Option(help: ArgumentHelp("The workflow's inputs, as JSON.", valueName: "object"))
  var inputs: String?

  @OptionGroup var server: ServerOptions

  func validate() throws {
    guard (cron == nil) != (every == nil) else { throw ValidationError("give one of --cron and --every") }
    guard [prompt, plan, workflow].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("give one of --prompt, --plan and --workflow")
    }
    guard inputs == nil || workflow != nil else { throw ValidationError("--inputs goes with --workflow") }
  }

  func run() async throws {
    var what = [String: JSON]()
    what["prompt"] = prompt.map(JSON.string)
    what["plan"] = try plan.map { try PlanFile($0, attaching: []).json }
    what["workflow"] = workflow.map(JSON.string)
    what["inputs"] = try inputs.map { try JSON(parsing: $0) }
    var body: [String: JSON] = ["name": .string(target.name), "run": .object(what)]
    body["cron"] = cron.map(JSON.string)
    body["every"] = every.map(JSON.string)
    body["time_zone"] = timeZone.map(JSON.string)
    let saved = try await server.client().call(.post, "/api/v1/schedules", body: .object(body))
    let words = "schedule \(target.name) is due next at \(saved["next_due"]?.string?.prefix(19) ?? "")"
    try server.json ? Print.out(saved) : Print.out(Print.clean(words))
  }
}
