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

  @OptionGroup var work: WorkOptions

  @OptionGroup var server: ServerOptions

  func validate() throws {
    guard (cron == nil) != (every == nil) else { throw ValidationError("give one of --cron and --every") }
    try work.check(prompt: prompt)
  }

  func run() async throws {
    var body: [String: JSON] = ["name": .string(target.name), "run": .object(try work.members(prompt: prompt))]
    body["cron"] = cron.map(JSON.string)
    body["every"] = every.map(JSON.string)
    body["time_zone"] = timeZone.map(JSON.string)
    let saved = try await server.client().call(.post, "/api/v1/schedules", body: .object(body))
    let words = "schedule \(target.name) is due next at \(saved["next_due"]?.string?.prefix(19) ?? "")"
    try server.json ? Print.out(saved) : Print.out(Print.clean(words))
  }
}
