import ArgumentParser
import SimplonCore

/// `simplon schedules show`.
struct SchedulesShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a schedule and what came of its last time, as JSON.")

  @OptionGroup var target: NameArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try Print.out(try await server.client().call(.get, "/api/v1/schedules/\(percentEncoded(target.name))"))
  }
}
