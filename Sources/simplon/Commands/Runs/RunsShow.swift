import ArgumentParser
import SimplonCore

/// `simplon runs show`.
struct RunsShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a run with its steps and artifacts.")

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try await server.client()
    let run = try await client.call(
      .get, "/agent/status",
      query: ["run_id": target.run, "include_steps": "true", "include_artifacts": "true", "limit": "1000"])
    guard !server.json else { return try Print.out(run) }
    let status = run["status"]?.string ?? ""
    try Print.out("\(Print.mark(status)) run \(target.run) \(status), attempt \(run["attempt"]?.integer ?? 1)")
    for name in ["reason", "error"] {
      if let message = run[name]?["message"]?.string { try Print.out("  \(Print.clean(message))") }
    }
    for step in try await all("steps", of: run, client) {
      let status = step["status"]?.string ?? ""
      try Print.out(
        "  \(Print.mark(status)) \(step["step_id"]?.string ?? "")  \(step["tool"]?.string ?? "")  \(status)")
    }
    for artifact in try await all("artifacts", of: run, client) {
      try Print.out(
        "  artifact \(Print.clean(artifact["path"]?.string ?? ""))  \(artifact["size"]?.integer ?? 0) bytes  \(artifact["url"]?.string ?? "")"
      )
    }
    if let result = run["result"], !result.isNull { try Print.out("  result \(Print.clean(result.text))") }
  }

  /// A list's items, of its first page and of all after it.
  private func all(_ list: String, of run: JSON, _ client: ServerClient) async throws -> [JSON] {
    var page = run[list]
    var items = page?["items"]?.array ?? []
    while let cursor = page?["next_cursor"]?.string {
      page = try await client.call(
        .get, "/agent/status", query: ["run_id": target.run, "cursor": cursor, "limit": "1000"])[list]
      items += page?["items"]?.array ?? []
    }
    return items
  }
}
