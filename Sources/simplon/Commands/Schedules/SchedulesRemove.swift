import ArgumentParser
import SimplonCore

/// `simplon schedules remove`.
struct SchedulesRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Delete a schedule; its runs stay.")

  @OptionGroup var target: NameArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    _ = try await server.client().send(.delete, "/api/v1/schedules/\(percentEncoded(target.name))")
    try server.json ? Print.out(["name": .string(target.name)] as JSON) : Print.out("schedule \(target.name) is gone")
  }
}
