import Hummingbird
import SimplonCore

extension Route {
  /// `/health`: the process lives; it asks nobody else.
  static func health(version: String) -> Route {
    let answer = Response.json(["status": "healthy", "version": .string(version), "service": "agent-api"])
    return Route(
      path: "/health", methods: [.get], name: "getHealth", tag: "Operation", summary: "Says that the process lives",
      answers: [Answer(status: 200, summary: "it does", schema: Schema.reference("Health"))],
      handler: .open { _ in answer })
  }
}
