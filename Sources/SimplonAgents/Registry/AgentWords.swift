/// The words of the registry's columns, as the database's own types have them.
package enum AgentWords {
  /// What an agent can be.
  package static let types = [
    "content_generator", "quiz_generator", "terrain_generator", "script_generator", "code_reviewer", "roblox_asset",
    "roblox_testing", "roblox_analytics", "general",
  ]
  /// How an agent can be.
  package static let statuses = [
    "initializing", "idle", "busy", "processing", "waiting", "error", "offline", "maintenance",
  ]
  /// How a task can stand.
  package static let taskStatuses = [
    "pending", "queued", "running", "waiting", "completed", "failed", "cancelled", "retrying",
  ]
  /// What a reading of the system's health can say.
  package static let health = ["healthy", "degraded", "unhealthy"]
  /// What the names of agents, tasks and types of task look like: whoever encodes a path leaves them as they are.
  package static let namePattern = "^[A-Za-z0-9][A-Za-z0-9._~-]{0,199}$"

  /// Whether the text is a name as ``namePattern`` has it.
  package static func isName(_ text: String) -> Bool {
    func isPlain(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
    return (1...200).contains(text.utf8.count) && text.utf8.first.map(isPlain) == true
      && text.utf8.allSatisfy { isPlain($0) || "._~-".utf8.contains($0) }
  }
}
