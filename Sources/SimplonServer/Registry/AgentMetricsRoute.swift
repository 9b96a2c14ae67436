import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/metrics`: how agents have done.
  static func agentMetrics(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/metrics", methods: [.get], name: "listMetrics", tag: "Registry",
      summary: "Lists the metrics of agents over the last hours, the latest first",
      shapes: [
        Shape(name: "MetricListQuery", fields: [.ofAgent, .ofAgentType, .lastHours, .limit, .cursor])
      ],
      answers: [Answer(status: 200, summary: "the metrics", schema: Schema.reference("MetricList"))],
      handler: .caller { call, principal in .json(text: try await registry.metrics(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/metrics`: an agent's own figures.
  static func reportMetrics(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/metrics", methods: [.post], isSafe: false, name: "reportMetrics", tag: "Registry",
      summary: "Takes an agent's own figures for a period, from the service or its owner, instead of any there were",
      shapes: [Shape(name: "ReportMetrics", fields: MetricReport.fields)],
      answers: [Answer(status: 201, summary: "the metrics", schema: Schema.reference("Metric"))],
      handler: .caller { call, principal in
        let report = try MetricReport(json: .object(call.fields))
        return .json(text: try await registry.report(report, as: principal), status: .created)
      })
  }
}
