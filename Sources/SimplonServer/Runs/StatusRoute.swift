import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/agent/status`: one run, or the caller's runs.
  static func status(_ runs: Runs) -> Route {
    Route(
      path: "/agent/status", functionPath: "/functions/v1/agent-status", name: "getStatus", tag: "Runs",
      summary: "Shows one run, or without `run_id` the caller's runs, newest first",
      shapes: [
        Shape(
          name: "StatusQuery",
          fields: [
            Field(name: "run_id", kind: .uuid, summary: "the run; without it, the list"),
            Field(name: "include_steps", kind: .boolean, summary: "its steps too"),
            Field(name: "include_logs", kind: .boolean, summary: "its log too"),
            Field(name: "include_messages", kind: .boolean, summary: "its transcript too"),
            Field(name: "include_artifacts", kind: .boolean, summary: "its files too"),
            Field(name: "include_snapshots", kind: .boolean, summary: "its snapshots too"),
            Field(name: "limit", kind: .integer(1...1000), summary: "the most items of each list; 100 by default"),
            Field(name: "cursor", kind: .text(maximum: 8192), summary: "the `next_cursor` of the page before"),
          ])
      ],
      answers: [
        Answer(
          status: 200, summary: "the run, or the list",
          schema: ["anyOf": [Schema.reference("Run"), Schema.reference("RunList")]])
      ],
      handler: .caller { call, principal in
        let limit = call.integer("limit") ?? 100
        let cursor = call.string("cursor")
        let lists = RunIncludes.List.allCases.filter { call.flag("include_\($0.rawValue)") }
        guard let run = call.optionalUUID("run_id") else {
          if let list = lists.first {
            throw SimplonError(.requestInvalid, "\"include_\(list.rawValue)\" needs a \"run_id\"")
          }
          return .json(text: try await runs.list(limit: limit, cursor: cursor, as: principal))
        }
        let include = RunIncludes(lists: Set(lists), limit: limit, cursor: cursor)
        return .json(text: try await runs.status(of: run, include: include, as: principal))
      })
  }
}
