package import SimplonCore

/// What the service says of an agent when it registers it; the same again makes no difference.
package struct AgentRegistration: Sendable {
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 64 KiB of an object.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.name("agent_id", isRequired: true)
    try reader.word("agent_type", of: AgentWords.types)
    try reader.uuid("user_id")
    try reader.state()
    self.json = try reader.finish()
  }
}

/// What has changed about an agent; nothing at all is a heartbeat.
package struct AgentChange: Sendable {
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for more than 64 KiB of an object.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.state()
    self.json = try reader.finish()
  }
}

extension MemberReader {
  fileprivate mutating func state() throws(SimplonError) {
    try word("status", of: AgentWords.statuses)
    for name in ["configuration", "resource_limits", "performance_thresholds"] { try object(name, upTo: 65_536) }
  }
}
