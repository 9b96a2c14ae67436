import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/api/v1/health/supabase`: the agents' database as the toolchains around Supabase ask for it.
  static func supabaseHealth(_ readiness: ReadinessCheck) -> Route {
    Route(
      path: "/api/v1/health/supabase", methods: [.get], name: "getSupabaseHealth", tag: "Operation",
      summary: "Says whether the agents' database answers, how fast, and which tables can be read",
      answers: [
        Answer(status: 200, summary: "it answers", schema: Schema.reference("SupabaseHealth")),
        Answer(status: 503, summary: "it does not", schema: Schema.reference("SupabaseHealth")),
      ],
      handler: .open { _ in
        let (readiness, took) = await readiness.answer()
        let (seconds, attoseconds) = took.components
        let microseconds = attoseconds / 1_000_000_000_000
        let tables = readiness.details["tables_accessible"] ?? [:]
        let isHealthy = readiness.ready && !(tables.object ?? [:]).values.contains(false)
        return .json(
          [
            "status": isHealthy ? "healthy" : "unhealthy",
            "response_time_ms": .number("\(seconds * 1000 + microseconds / 1000).\(microseconds / 100 % 10)"),
            "tables_accessible": tables,
            "realtime_enabled": readiness.details["realtime_enabled"] ?? false,
          ], status: isHealthy ? .ok : .serviceUnavailable)
      })
  }
}
