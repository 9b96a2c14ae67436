import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/usage`: what models were asked, and what it cost.
  static func usage(_ runs: Runs) -> Route {
    Route(
      path: "/api/v1/usage", methods: [.get], name: "listUsage", tag: "Money",
      summary:
        "Lists the caller's tokens and cost per day (UTC), user and model, the latest day first; the service's: all",
      shapes: [
        Shape(
          name: "UsageQuery",
          fields: [
            Field(
              name: "hours", kind: .integer(1...8760), summary: "what was asked in so many hours back; 24 by default"),
            Field(name: "days", kind: .integer(1...366), summary: "of so many whole days, today among them"),
            .limit, .cursor,
          ])
      ],
      answers: [Answer(status: 200, summary: "the usage", schema: Schema.reference("UsageList"))],
      handler: .caller { call, principal in
        var query = UsageQuery()
        query.hours = call.integer("hours")
        query.days = call.integer("days")
        query.limit = call.integer("limit") ?? query.limit
        query.cursor = call.string("cursor")
        return .json(text: try await runs.usage(query, as: principal))
      })
  }
}
