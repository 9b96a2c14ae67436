import ArgumentParser

/// `simplon runs retry`.
struct RunsRetry: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Begin a finished run again, keeping nothing of the last attempt.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws { try await server.act("retry", on: target.run) }
}
