import Hummingbird
import SimplonAgents
import SimplonCore

/// Every route of the API, in the order of the manual.
///
/// What is not here does not exist: neither in the router nor in the OpenAPI document.
struct RouteTable: Sendable {
  /// Paths, with all that is below them, that a later version answers.
  private static let later = [
    "/api/v1/agents", "/api/v1/executions", "/api/v1/metrics", "/api/v1/system-health",
  ]

  let routes: [Route]

  init(
    configuration: ServerConfiguration, door: AgentDoor?, readiness: @escaping @Sendable () async -> Readiness,
    metrics: PrometheusRegistry
  ) {
    let readiness = ReadinessCheck(readiness)
    let agents = door.map { Self.agents($0, configuration, StreamMetrics(metrics)) } ?? []
    let operation = [
      Route.health(version: configuration.version), .ready(readiness), .supabaseHealth(readiness), .metrics(metrics),
    ]
    let documented = agents + operation + (door == nil ? [] : [.docs, .docsScript, .docsStyle])
    routes = documented + [.openAPI(version: configuration.version, routes: documented)]
  }

  private static func agents(
    _ door: AgentDoor, _ configuration: ServerConfiguration, _ reading: StreamMetrics
  ) -> [Route] {
    [
      .execute(door.runs),
      .status(door.runs),
      .logs(door.runs, door.streams, configuration, reading),
      .ticket(door.runs),
      .artifact(door.runs, configuration, reading),
      .why(door.runs),
    ]
  }

  /// Makes the router, with HEAD beside every safe GET.
  ///
  /// The layers stand around every route, and around what matches none, from the outside in.
  func router(gate: Gate, around layers: [any MiddlewareProtocol<Request, Response, ServerContext>]) -> Router<
    ServerContext
  > {
    let router = Router(context: ServerContext.self)
    for layer in layers { router.add(middleware: layer) }
    for route in routes {
      for path in route.paths {
        for method in route.methods {
          router.on(RouterPath(path), method: method) { request, context in
            try await gate.respond(route, request, context)
          }
        }
        if route.isSafe, route.methods.contains(.get) {
          router.on(RouterPath(path), method: .head) { request, context in
            try await gate.respond(route, request, context)
          }
        }
      }
    }
    return router
  }

  /// The path that a later version answers and that this path is, or is below.
  func later(at path: String) -> String? { Self.later.first { path == $0 || path.hasPrefix($0 + "/") } }

  /// The methods that some route takes at a path; empty when none is there.
  func methods(at path: String) -> [HTTPRequest.Method] {
    let segments = path.split(separator: "/")
    for route in routes {
      for pattern in route.paths.map({ $0.split(separator: "/") }) where pattern.count == segments.count {
        guard zip(pattern, segments).allSatisfy({ $0 == $1 || $0.hasPrefix("{") }) else { continue }
        return route.methods + (route.isSafe && route.methods.contains(.get) ? [.head] : [])
      }
    }
    return []
  }
}
