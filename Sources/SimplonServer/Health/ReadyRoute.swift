import HTTPTypes
import Hummingbird
import ServiceLifecycle
import SimplonAgents
import SimplonCore

extension Route {
  /// `/ready`: whether requests would succeed now.
  static func ready(_ readiness: ReadinessCheck) -> Route {
    Route(
      path: "/ready", methods: [.get], name: "getReadiness", tag: "Operation",
      summary: "Says whether the server can work now, and what is wrong when it cannot",
      answers: [
        Answer(status: 200, summary: "it can", schema: Schema.reference("Readiness")),
        Answer(status: 503, summary: "it cannot", schema: Schema.reference("Readiness")),
      ],
      handler: .open { _ in
        var readiness = await readiness.answer().readiness
        if Task.isShuttingDownGracefully { readiness = Readiness(ready: false, details: ["draining": true]) }
        var response = Response.json(
          ["ready": .bool(readiness.ready), "details": readiness.details],
          status: readiness.ready ? .ok : .serviceUnavailable)
        if !readiness.ready { response.headers[.retryAfter] = "1" }
        return response
      })
  }
}
