import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `/ready`: whether requests would succeed now.
  static func ready(_ readiness: @escaping @Sendable () async -> Readiness) -> Route {
    Route(
      path: "/ready", methods: [.get], name: "getReadiness", tag: "Operation",
      summary: "Says whether the server can work now, and what is wrong when it cannot",
      answers: [
        Answer(status: 200, summary: "it can", schema: Schema.reference("Readiness")),
        Answer(status: 503, summary: "it cannot", schema: Schema.reference("Readiness")),
      ],
      handler: .open { _ in
        let readiness = await readiness()
        var response = Response.json(
          ["ready": .bool(readiness.ready), "details": readiness.details],
          status: readiness.ready ? .ok : .serviceUnavailable)
        if !readiness.ready { response.headers[.retryAfter] = "1" }
        return response
      })
  }
}
