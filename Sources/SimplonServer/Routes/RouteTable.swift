import Hummingbird
import SimplonAgents
import SimplonCore

/// Every route of the API, in the order of the manual.
///
/// What is not here does not exist: neither in the router nor in the OpenAPI document.
struct RouteTable: Sendable {
  let routes: [Route]

  init(
    configuration: ServerConfiguration, runs: Runs, streams: LogStreams,
    readiness: @escaping @Sendable () async -> Readiness, metrics: PrometheusRegistry
  ) {
    let documented = [
      Route.execute(runs),
      .status(runs),
      .logs(runs, streams, configuration, StreamMetrics(metrics)),
      .ticket(runs),
      .artifact(runs),
      .why(runs),
      .health(version: configuration.version),
      .ready(readiness),
      .supabaseHealth(readiness),
      .metrics(metrics),
      .docs,
      .docsScript,
      .docsStyle,
    ]
    routes = documented + [.openAPI(version: configuration.version, routes: documented)]
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
            try await gate.respond(route, request, context).createHeadResponse()
          }
        }
      }
    }
    return router
  }

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
