import ArgumentParser
import Foundation
import NIOHTTP1
import SimplonCore

/// `simplon run`: gives a running server something to do.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Start a run on a running server.",
    discussion: "With --follow the log is shown as it is written, and the exit code tells how the run ended.")

  @Argument(help: "What the agent is to do; a model plans it.")
  var prompt: String?

  @OptionGroup var work: WorkOptions

  @Option(help: ArgumentHelp("A key that makes repeating the command harmless.", valueName: "text"))
  var idempotencyKey: String?

  @Flag(help: "Show the log until the run ends.")
  var follow = false

  @OptionGroup var server: ServerOptions

  func validate() throws { try work.check(prompt: prompt) }

  func run() async throws {
    let client = try await server.client()
    var body = try work.members(prompt: prompt)
    body["action"] = "create"
    let created = try await client.call(
      .post, "/agent/execute", body: .object(body),
      headers: idempotencyKey.map { ["Idempotency-Key": $0] } ?? [:])
    guard follow else { return try server.show(created) }
    let run = created["run_id"]?.string ?? ""
    if server.json { try Print.out(created) } else { Print.note("run \(Print.clean(run))") }
    try await RunFollower(client: client, json: server.json).follow(run)
  }
}
