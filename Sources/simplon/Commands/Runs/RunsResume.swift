import ArgumentParser

/// `simplon runs resume`.
struct RunsResume: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Go on with a failed or stopped run after its last settled step.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws { try await server.act("resume", on: target.run) }
}
