import HTTPTypes
import Hummingbird
import NIOCore
import SimplonCore

extension Route {
  /// `/openapi.json`: the document of these routes and of itself.
  static func openAPI(version: String, routes: [Route]) -> Route {
    var route = Route(
      path: "/openapi.json", methods: [.get], name: "getOpenAPI", tag: "Operation", summary: "Gives this document",
      answers: [Answer(status: 200, summary: "OpenAPI 3.1", schema: Schema.anyObject)],
      handler: .open { _ in Response(status: .ok) })
    let document = Response.json(OpenAPIDocument.make(version: version, routes: routes + [route]))
    route.handler = .open { _ in document }
    return route
  }
}
