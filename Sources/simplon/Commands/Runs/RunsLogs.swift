import ArgumentParser
import SimplonCore

/// `simplon runs logs`.
struct RunsLogs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Show a run's log; with --follow until the run ends.")

  @OptionGroup var target: RunArgument

  @Option(help: ArgumentHelp("Only events after this number.", valueName: "seq"))
  var after: Int64 = 0

  @Flag(help: "Go on until the run ends.")
  var follow = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try await server.client()
    let follower = RunFollower(client: client, json: server.json)
    if follow { return try await follower.follow(target.run, after: after) }
    var last = after
    while true {
      let page = try await client.call(
        .get, "/agent/logs", query: ["run_id": target.run, "after": String(last), "limit": "1000"])
      let events = page["logs"]?.array ?? []
      for event in events { try follower.show(event) }
      guard let next = page["next_after"]?.integer, !events.isEmpty else { return }
      last = Int64(next)
    }
  }
}
