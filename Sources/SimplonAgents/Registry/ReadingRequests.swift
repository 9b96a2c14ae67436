package import SimplonCore

/// An agent's own figures for a period.
package struct MetricReport: Sendable {
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.name("agent_id", isRequired: true)
    try reader.time("period_start")
    try reader.time("period_end")
    for name in ["tasks_completed", "tasks_failed"] { try reader.integer(name, in: 0...1_000_000_000) }
    for name in ["success_rate", "average_quality_score"] { try reader.number(name, in: 0...1) }
    try reader.number("average_execution_time", in: 0...1e9)
    self.json = try reader.finish()
  }
}

/// How a part of the system is, as the service has found it.
package struct HealthReading: Sendable {
  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for a reading above 64 KiB.
  package init(json: JSON) throws(SimplonError) {
    var reader = try MemberReader(json)
    try reader.name("component", isRequired: true)
    try reader.word("status", of: AgentWords.health, isRequired: true)
    try reader.object("reading", upTo: 65_536)
    self.json = try reader.finish()
  }
}
