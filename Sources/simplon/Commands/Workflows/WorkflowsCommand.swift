import ArgumentParser

/// `simplon workflows`: plans saved under a name.
struct WorkflowsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workflows", abstract: "Save plans under a name on a running server.",
    subcommands: [WorkflowsList.self, WorkflowsShow.self, WorkflowsAdd.self, WorkflowsRemove.self])
}

/// The workflow or schedule a command is about.
struct NameArgument: ParsableArguments {
  @Argument(help: "The name.")
  var name: String
}
