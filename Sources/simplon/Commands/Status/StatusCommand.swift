import ArgumentParser
import SimplonCluster
import SimplonCore

/// `simplon status`: addresses and keys of the development stack, like `supabase status`.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the addresses and keys of a development stack.")

  @Option(name: .customLong("data"), help: ArgumentHelp("The data folder (SIMPLON_DATA).", valueName: "folder"))
  var folder: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() async throws {
    let folder = try await dataFolder(given: folder)
    guard let state = try ClusterState.read(from: folder) else {
      throw SimplonError(
        .serverUnreachable, "no stack was ever started in \(folder)", hint: "Start one: simplon dev --data \(folder)")
    }
    guard await DevState.isRunning(in: folder) else {
      throw SimplonError(
        .serverUnreachable, "the stack in \(folder) is not running", hint: "Start it: simplon dev --data \(folder)")
    }
    let status = DevState.json(state, folder: folder, databasePort: state.port ?? 0)
    try json ? Print.out(status) : DevState.show(status)
  }
}
