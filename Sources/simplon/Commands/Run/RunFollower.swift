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
      try show(event)
      if event["kind"] == "done" { status = event["payload"]?["status"]?.string }
    }
    // A stream that is opened at its end tells nothing.
    if status == nil { status = try await client.call(.get, "/agent/status", query: ["run_id": run])["status"]?.string }
    if status != "completed" { throw ExitCode(1) }
  }

  /// Shows one event: `{seq, at, level, kind, payload}`.
  ///
  /// - Throws: `Print.Failure`.
  func show(_ event: JSON) throws {
    guard let kind = event["kind"]?.string else { return }
    guard !json else { return try Print.out(event) }
    let payload = event["payload"] ?? .null
    func text(_ name: String) -> String { Print.clean(payload[name]?.string ?? "") }
    let step = text("step_id")
    let status = text("status")
    switch kind {
    case "log": try Print.out("  \(Print.dim(step + " │")) \(text("text"))")
    case "step": try Print.out("\(Print.mark(status)) \(step) \(status)\(message(payload["error"]))")
    case "artifact":
      try Print.out("\(Print.mark("completed")) artifact \(text("path")) (\(payload["size"]?.integer ?? 0) bytes)")
    case "status", "done":
      try Print.out("\(Print.mark(status)) run \(status)\(message(payload["error"] ?? payload["reason"]))")
    default: break
    }
  }

  private func message(_ error: JSON?) -> String { error?["message"]?.string.map { ": \(Print.clean($0))" } ?? "" }
}
