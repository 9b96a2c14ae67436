import ArgumentParser
import SimplonCore

/// `simplon runs why`.
struct RunsWhy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "why", abstract: "Say why a run is not finished.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let reason = try await server.client().call(.get, "/agent/why", query: ["run_id": target.run])
    guard !server.json else { return try Print.out(reason) }
    try Print.out(Print.clean("\(reason["code"]?.string ?? ""): \(reason["message"]?.string ?? "")"))
  }
}
