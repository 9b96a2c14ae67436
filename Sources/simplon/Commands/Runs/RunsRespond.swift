import ArgumentParser
import SimplonCore

/// `simplon runs respond`.
struct RunsRespond: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "respond", abstract: "Answer a run's question, approve or deny a call of its, or say what one did.")

  @OptionGroup var target: RunArgument

  @Option(help: ArgumentHelp("The step that asks, where several do.", valueName: "id"))
  var step: String?

  @Option(help: ArgumentHelp("The answer; JSON where the question has a schema.", valueName: "text"))
  var answer: String?

  @Flag(help: "Let the step make its call.")
  var approve = false

  @Flag(help: "Do not let it.")
  var deny = false

  @Flag(help: "The call of which nobody knew happened; its step is over.")
  var happened = false

  @Flag(help: "Make that call again.")
  var again = false

  @Option(help: ArgumentHelp("With --happened: what the step gives; null if left out.", valueName: "json"))
  var output: String?

  @Option(help: ArgumentHelp("Why; a model is told it when its call is denied.", valueName: "text"))
  var message: String?

  @Option(help: "The run's attempt in which it asked; another one's question is not responded to.")
  var attempt: Int?

  @OptionGroup var server: ServerOptions

  func validate() throws {
    guard [answer != nil, approve, deny, happened, again].count(where: { $0 }) == 1 else {
      throw ValidationError("Give exactly one of --answer, --approve, --deny, --happened and --again.")
    }
    guard output == nil || happened else { throw ValidationError("--output goes with --happened.") }
    if let output, (try? JSON(parsing: output)) == nil { throw ValidationError("--output is no JSON.") }
  }

  func run() async throws {
    let client = try await server.client()
    let questions = try await OpenQuestion.all(of: target.run, client)
    let chosen = step == nil ? questions : questions.filter { $0.stepID == step }
    guard let question = chosen.first, chosen.count == 1 else {
      let ids = questions.map(\.stepID).joined(separator: ", ")
      // The server says what is wrong with a step that asks nothing.
      guard let step else {
        throw SimplonError(
          .runState, questions.isEmpty ? "the run asks nothing now" : "several steps ask: \(ids)",
          hint: questions.isEmpty ? "See what it does: simplon runs why \(target.run)" : "Name one: --step ID")
      }
      return try await send(to: step, answer.map(JSON.string), client)
    }
    var value = answer.map(JSON.string)
    if let answer, question.hasSchema, let json = try? JSON(parsing: answer) { value = json }
    try await send(to: question.stepID, value, client)
  }

  private var decision: String { approve ? "approve" : deny ? "deny" : happened ? "happened" : "again" }

  private func send(to step: String, _ answer: JSON?, _ client: ServerClient) async throws {
    var body: [String: JSON] = ["step_id": .string(step)]
    body["answer"] = answer
    if answer == nil { body["decision"] = .string(decision) }
    body["output"] = try output.map { try JSON(parsing: $0) }
    body["message"] = message.map(JSON.string)
    body["attempt"] = attempt.map { .integer($0) }
    try server.show(try await client.act("respond", on: target.run, body))
  }
}
