import ArgumentParser
import SimplonCore

/// `simplon workflows show`.
struct WorkflowsShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a workflow with its plan, as JSON.")

  @OptionGroup var target: NameArgument

  @Option(help: ArgumentHelp("As the version of that number was; the latest by default.", valueName: "version"))
  var at: Int?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let path = "/api/v1/workflows/\(percentEncoded(target.name))"
    let query = at.map { ["version": String($0)] } ?? [:]
    try Print.out(try await server.client().call(.get, path, query: query))
  }
}
