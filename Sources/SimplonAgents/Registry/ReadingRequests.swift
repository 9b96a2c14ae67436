package import SimplonCore

/// An agent's own figures for a period.
package struct MetricReport: Sendable {
  private static let counts = 0...1_000_000_000

  /// What it holds.
  package static let fields = [
    Field.agentID,
    Field(name: "period_start", kind: .time, isRequired: true, summary: "from the month before this one on"),
    Field(name: "period_end", kind: .time, isRequired: true, summary: "after the start, by 31 days at most"),
    Field(name: "tasks_completed", kind: .integer(counts), summary: "how many were completed"),
    Field(name: "tasks_failed", kind: .integer(counts), summary: "how many failed"),
    Field(name: "success_rate", kind: .number(0...1), summary: "by default what was completed of what has ended"),
    Field(name: "average_execution_time", kind: .number(0...1e9), summary: "in seconds"),
    Field(name: "average_quality_score", kind: .number(0...1), summary: "the mean of those that have one"),
  ]

  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`.
  package init(json: JSON) throws(SimplonError) { self.json = .object(try Self.fields.read(json)) }
}

/// How a part of the system is, as the service has found it.
package struct HealthReading: Sendable {
  /// What it holds.
  package static let fields = [
    Field(name: "component", kind: .name, isRequired: true, summary: "the part, such as `engine`"),
    Field(name: "status", kind: .choice(AgentWords.health), isRequired: true, summary: "how it is"),
    Field(name: "reading", kind: .object(maximum: 65_536), summary: "what was measured; at most 64 KiB"),
  ]

  let json: JSON

  /// Reads a request body.
  ///
  /// - Throws: `request.invalid`, `request.unknown_field`; `request.too_large` for a reading above 64 KiB.
  package init(json: JSON) throws(SimplonError) { self.json = .object(try Self.fields.read(json)) }
}
