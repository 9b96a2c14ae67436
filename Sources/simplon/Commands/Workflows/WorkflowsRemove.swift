import ArgumentParser
import SimplonCore

/// `simplon workflows remove`.
struct WorkflowsRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Delete a workflow; its runs stay.")

  @OptionGroup var target: NameArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    _ = try await server.client().send(.delete, "/api/v1/workflows/\(percentEncoded(target.name))")
    try server.json ? Print.out(["name": .string(target.name)] as JSON) : Print.out("workflow \(target.name) is gone")
  }
}
