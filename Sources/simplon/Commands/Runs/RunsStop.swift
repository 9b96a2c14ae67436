import ArgumentParser

/// `simplon runs stop`.
struct RunsStop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop a run; its sandboxes end at once.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws { try await server.act("stop", on: target.run) }
}
