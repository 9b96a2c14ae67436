import ArgumentParser
import SimplonCore

/// `simplon workflows list`.
struct WorkflowsList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List your workflows, the last one first.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let answer = try await server.client().call(.get, "/api/v1/workflows", query: ["limit": "1000"])
    guard !server.json else { return try Print.out(answer) }
    for workflow in answer["workflows"]?.array ?? [] {
      try Print.out(
        Print.clean(
          "\(Print.padded(workflow["name"]?.string ?? "", to: 24))  version \(workflow["version"]?.integer ?? 1)"
            + "  \(workflow["description"]?.string ?? "")"))
    }
  }
}
