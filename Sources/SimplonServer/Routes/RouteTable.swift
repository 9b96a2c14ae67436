import Hummingbird
import SimplonAgents
import SimplonCore

/// Every route of the API, in the order of the manual.
///
/// What is not here does not exist: neither in the router nor in the OpenAPI document. The page's files, which are no
/// operations, stay out of the document.
struct RouteTable: Sendable {
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
    let page = door == nil ? [] : Route.page
    routes = documented + [.openAPI(version: configuration.version, routes: documented)] + page
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
      .agents(door.registry), .registerAgent(door.registry),
      .agent(door.registry), .changeAgent(door.registry),
      .agentTasks(door.registry), .runTask(door.registry),
      .executions(door.registry), .reportExecution(door.registry),
      .execution(door.registry), .changeExecution(door.registry),
      .agentMetrics(door.registry), .reportMetrics(door.registry),
      .systemHealth(door.registry), .recordHealth(door.registry),
      .usage(door.runs),
      .workflows(door.registry), .saveWorkflow(door.registry),
      .workflow(door.registry), .changeWorkflow(door.registry), .deleteWorkflow(door.registry),
      .schedules(door.registry), .saveSchedule(door.registry),
      .schedule(door.registry), .changeSchedule(door.registry), .deleteSchedule(door.registry),
      .webhooks(door.registry), .saveWebhook(door.registry),
      .webhook(door.registry), .changeWebhook(door.registry), .deleteWebhook(door.registry),
      .deliveries(door.registry), .redeliver(door.registry),
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

  /// The methods that some route takes at a path; empty when none is there.
  func methods(at path: String) -> [HTTPRequest.Method] {
    let segments = path.split(separator: "/")
    func isThere(_ pattern: String) -> Bool {
      let pattern = pattern.split(separator: "/")
      return pattern.count == segments.count
        && zip(pattern, segments).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
    }
    return routes.filter { $0.paths.contains(where: isThere) }.flatMap { route in
      route.methods + (route.isSafe && route.methods.contains(.get) ? [.head] : [])
    }
  }
}
