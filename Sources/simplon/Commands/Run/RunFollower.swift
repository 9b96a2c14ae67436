import ArgumentParser
import SimplonCore

/// Shows a run's events as they come.
struct RunFollower {
  let client: ServerClient
  let json: Bool

  /// Follows the run to its end.
  ///
  /// - Throws: exit code 1 when the run did not complete; the server's error.
  func follow(_ run: String, after: Int64 = 0) async throws {
    var status: String?
    try await client.follow(run, after: after) { event in
      let event = event.json
      show(event)
      if event["kind"] == "done" { status = event["payload"]?["status"]?.string }
    }
    // A stream that is opened at its end tells nothing.
    if status == nil { status = try await client.call(.get, "/agent/status", query: ["run_id": run])["status"]?.string }
    if status != "completed" { throw ExitCode(1) }
  }

  /// Shows one event: `{seq, at, level, kind, payload}`.
  func show(_ event: JSON) {
    guard let kind = event["kind"]?.string else { return }
    guard !json else { return Print.out(event) }
    let payload = event["payload"] ?? .null
    func text(_ name: String) -> String { Print.shown(payload[name]?.string ?? "") }
    let step = text("step_id")
    let status = text("status")
    switch kind {
    case "log": Print.out("  \(Print.dim(step + " │")) \(text("text"))")
    case "step": Print.out("\(Print.mark(status)) \(step) \(status)\(message(payload["error"]))")
    case "artifact":
      Print.out("\(Print.mark("completed")) artifact \(text("path")) (\(payload["size"]?.integer ?? 0) bytes)")
    case "status", "done":
      Print.out("\(Print.mark(status)) run \(status)\(message(payload["error"] ?? payload["reason"]))")
    default: break
    }
  }

  private func message(_ error: JSON?) -> String { error?["message"]?.string.map { ": \(Print.shown($0))" } ?? "" }
}
