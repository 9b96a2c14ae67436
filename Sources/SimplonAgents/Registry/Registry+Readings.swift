import SimplonCore
package import SimplonIdentity

extension Registry {
  /// Takes an agent's own figures for a period, in the place of any that were there for it.
  ///
  /// - Throws: `agent.not_found`, `auth.forbidden`; `request.invalid` for a period that is none or too long ago.
  package func report(_ report: MetricReport, as caller: Principal) async throws -> String {
    try await readingStore.report(report.json, as: caller)
  }

  /// Metrics of the last hours (24, unless it is said), the latest first, as `{"metrics": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func metrics(_ query: ListQuery, as caller: Principal) async throws -> String {
    try await readingStore.metrics(query, hours: query.hours ?? 24, as: caller).json("metrics", of: "metrics")
  }

  /// Takes a reading of how a part of the system is; the service's alone.
  ///
  /// - Throws: `auth.forbidden`.
  package func record(_ reading: HealthReading, as caller: Principal) async throws -> String {
    try await readingStore.record(reading.json, as: caller)
  }

  /// Readings of the last hours (24, unless it is said), the newest first, as `{"readings": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func health(_ query: ListQuery, as caller: Principal) async throws -> String {
    try await readingStore.health(query, hours: query.hours ?? 24, as: caller).json("readings", of: "readings")
  }
}
