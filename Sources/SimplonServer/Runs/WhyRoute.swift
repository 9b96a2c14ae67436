import Hummingbird
import SimplonAgents

extension Route {
  /// `/agent/why`: the one reason why a run is not finished.
  static func why(_ runs: Runs) -> Route {
    Route(
      path: "/agent/why", name: "explainRun", tag: "Runs", summary: "Says why a run is not finished",
      shapes: [
        Shape(name: "WhyQuery", fields: [Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run")])
      ],
      answers: [Answer(status: 200, summary: "the reason", schema: Schema.reference("Reason"))],
      handler: .caller { call, principal in .json(text: try await runs.why(call.uuid("run_id"), as: principal)) })
  }
}
