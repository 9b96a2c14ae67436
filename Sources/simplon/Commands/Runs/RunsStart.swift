import ArgumentParser

/// `simplon runs start`.
struct RunsStart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Start a run that was created without starting it.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws { try await server.act("start", on: target.run) }
}
