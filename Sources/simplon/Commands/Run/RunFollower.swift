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
    var status = ""
    try await client.follow(run, after: after) { event in
      let event = event.json
      show(event)
      if event["kind"] == "done" { status = event["payload"]?["status"]?.string ?? "" }
    }
    if status != "completed", !status.isEmpty { throw ExitCode(1) }
  }

  /// Shows one event: `{seq, at, level, kind, payload}`.
  func show(_ event: JSON) {
    guard let kind = event["kind"]?.string else { return }
    guard !json else { return Print.out(event.text) }
    let payload = event["payload"] ?? .null
    let step = payload["step_id"]?.string ?? ""
    let status = payload["status"]?.string ?? ""
    switch kind {
    case "log": Print.out("  \(Print.dim(step + " │")) \(payload["text"]?.string ?? "")")
    case "step": Print.out("\(Print.mark(status)) \(step) \(status)\(message(payload["error"]))")
    case "artifact":
      Print.out(
        "\(Print.mark("completed")) artifact \(payload["path"]?.string ?? "") (\(payload["size"]?.integer ?? 0) bytes)")
    case "status", "done":
      Print.out("\(Print.mark(status)) run \(status)\(message(payload["error"] ?? payload["reason"]))")
    default: break
    }
  }

  private func message(_ error: JSON?) -> String { error?["message"]?.string.map { ": \($0)" } ?? "" }
}
