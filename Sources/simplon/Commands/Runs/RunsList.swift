import ArgumentParser
import SimplonCore

/// `simplon runs list`.
struct RunsList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List your runs, newest first.")

  @Option(help: ArgumentHelp("The most runs, 1 to 1000.", valueName: "number"))
  var limit = 20

  @Option(help: ArgumentHelp("Where to go on: next_cursor of the page before.", valueName: "text"))
  var cursor: String?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    var query = ["limit": String(limit)]
    query["cursor"] = cursor
    let answer = try await server.client().call(.get, "/agent/status", query: query)
    guard !server.json else { return try Print.out(answer) }
    for run in answer["runs"]?.array ?? [] {
      let what = run["agent"]?.string ?? run["prompt"]?.string ?? ""
      try Print.out(
        Print.clean(
          "\(run["run_id"]?.string ?? "")  \(Print.padded(run["status"]?.string ?? "", to: 10))"
            + "  \(run["created_at"]?.string?.prefix(19) ?? "")  \(what.prefix(60))"))
    }
    if let next = answer["next_cursor"]?.string { Print.note("more: --cursor \(Print.clean(next))") }
  }
}
