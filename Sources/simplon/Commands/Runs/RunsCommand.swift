import ArgumentParser

/// `simplon runs`: looks at runs and steers them.
struct RunsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "Look at runs on a running server, and steer them.",
    subcommands: [
      RunsList.self, RunsShow.self, RunsLogs.self, RunsWhy.self, RunsStart.self, RunsStop.self, RunsResume.self,
      RunsRetry.self, RunsRespond.self, RunsFork.self,
    ])
}

/// The run a command is about.
struct RunArgument: ParsableArguments {
  @Argument(help: "The run's id.")
  var run: String
}
