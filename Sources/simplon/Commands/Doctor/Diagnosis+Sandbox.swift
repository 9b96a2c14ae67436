import FoundationEssentials
import SimplonAgents
import SimplonCore

extension Diagnosis {
  /// Whether programs can be confined on this machine, by a real run.
  func sandbox() async -> Finding {
    var settings = installation.settings
    guard settings.roles.contains(.worker) else {
      return Finding(.sandbox, .skipped, "no tool runs here, as \(Setting.roles.name) has no worker")
    }
    // The folder is the server's, and its user's: where it is not there yet, it is not for us to make.
    let isMade = FileManager.default.fileExists(atPath: settings.scratch)
    if !isMade { settings.scratch = "/var/tmp/simplon-doctor-\(UUID().uuidString.lowercased())" }
    let level = await Stack.sandbox(settings, logger: logger).level
    if !isMade { try? FileManager.default.removeItem(atPath: settings.scratch) }
    return Self.sandbox(level)
  }

  /// What the level says.
  static func sandbox(_ level: SandboxLevel) -> Finding {
    let said = level.reason ?? "namespaces, a system call filter and control groups"
    // A guard that has nothing to add leaves its colon.
    let reason = String(said.reversed().drop { $0.isWhitespace || $0 == ":" }.reversed())
    switch level.kind {
    case .cgroup2, .cgroup1, .rlimits: return Finding(.sandbox, .ok, "it works: \(reason)")
    case .unsandboxed:
      return Finding(
        .sandbox, .warning, "tools run without one, as \(Setting.unsandboxed.name) allows: \(reason)", .toolUnavailable,
        hint: mend(reason))
    case .none:
      return Finding(
        .sandbox, .problem, "there is none, so programs are refused: \(reason)", .toolUnavailable, hint: mend(reason))
    }
  }

  private static func mend(_ reason: String) -> String {
    if reason.contains("is not installed") { return "Install it: sudo apt-get install bubblewrap" }
    if reason.contains("lies in /usr") { return "Choose another data folder with \(Setting.data.name)." }
    if reason.hasPrefix("could not") {
      return "Start as the user who owns the data folder, or choose another one with \(Setting.data.name)."
    }
    return """
      bubblewrap needs namespaces. Where the kernel keeps them from users:
      sudo sysctl -w kernel.unprivileged_userns_clone=1 (Debian), or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)
      In a container: a runtime or a security profile that allows user namespaces.
      """
  }
}
