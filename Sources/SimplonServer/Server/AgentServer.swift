package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
package import SimplonAgents
import SimplonCore
package import SimplonIdentity

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The agent API over HTTP: one route table, the same few layers around every route.
///
/// From the outside in: request id, access log, metrics, no body for HEAD, cross-origin rules, the error renderer, the
/// limit per address;
/// then the route: body, caller, limit per principal, fields, handler.
package struct AgentServer: Service {
  /// The Hummingbird application; tests send requests through it.
  package let application: Application<RouterResponder<ServerContext>>
  /// Every route there is.
  let table: RouteTable
  private let configuration: ServerConfiguration

  /// Puts the server together; nothing listens before ``run()``.
  ///
  /// - Parameters:
  ///   - configuration: address, limits, origins.
  ///   - runs: the use cases behind the agent API.
  ///   - streams: gives a run's events as they are written; must itself be running.
  ///   - authenticator: turns tokens into principals.
  ///   - readiness: asked for `/ready` and `/api/v1/health/supabase`; the latter shows `tables_accessible` and
  ///     `realtime_enabled` of its details.
  ///   - metrics: what `/metrics` shows, and where the server counts.
  ///   - logger: gets one line per request.
  ///   - onServerRunning: called with the port once the server listens.
  package init(
    configuration: ServerConfiguration, runs: Runs, streams: LogStreams, authenticator: Authenticator,
    readiness: @escaping @Sendable () async -> Readiness, metrics: PrometheusRegistry, logger: Logger,
    onServerRunning: @escaping @Sendable (Int) async -> Void = { _ in }
  ) {
    let table = RouteTable(
      configuration: configuration, runs: runs, streams: streams, readiness: readiness, metrics: metrics)
    let router = table.router(
      gate: Gate(authenticator: authenticator, runs: runs, rate: configuration.principalRate),
      around: [
        RequestIDMiddleware(logger: logger),
        AccessLogMiddleware(proxies: configuration.trustedProxies),
        MetricsMiddleware(metrics: metrics),
        HeadMiddleware(),
        CrossOriginMiddleware(origins: configuration.allowedOrigins),
        ErrorMiddleware(table: table),
        RateLimitMiddleware(rate: configuration.addressRate, proxies: configuration.trustedProxies),
      ])
    self.table = table
    self.configuration = configuration
    self.application = Application(
      router: router,
      server: HTTPServerBuilder { HTTPConnection(configuration, responder: $0) },
      configuration: .init(
        address: .hostname(configuration.host, port: configuration.port),
        availableConnectionsDelegate: MaximumAvailableConnections(configuration.maximumConnections, logger: logger)),
      onServerRunning: { channel in await onServerRunning(channel.localAddress?.port ?? 0) },
      logger: logger)
  }

  /// Listens until graceful shutdown; open streams then end with a `reconnect` event.
  ///
  /// - Throws: `dev.port_taken` when something else listens there.
  package func run() async throws {
    do {
      try await application.run()
    } catch let error as IOError where error.errnoCode == EADDRINUSE {
      throw SimplonError(
        .devPortTaken, "port \(configuration.port) of \(configuration.host) is in use",
        hint: "stop what listens there, or choose another with --port", cause: error)
    }
  }
}
