package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
package import SimplonAgents
import SimplonCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The agent API over HTTP: one route table, the same few layers around every route.
///
/// A process that only works has no door for callers: it answers health, readiness and metrics alone.
///
/// From the outside in: request id, access log, metrics, no body for HEAD, cross-origin rules, the error renderer, the
/// limit per address; then the route: caller, limit per principal, body, fields, handler.
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
  ///   - door: what callers reach; nil in a process that only works.
  ///   - readiness: asked for `/ready` and `/api/v1/health/supabase`; the latter shows `tables_accessible` and
  ///     `realtime_enabled` of its details.
  ///   - metrics: what `/metrics` shows, and where the server counts.
  ///   - logger: gets one line per request.
  ///   - onServerRunning: called with the port once the server listens.
  package init(
    configuration: ServerConfiguration, door: AgentDoor?,
    readiness: @escaping @Sendable () async -> Readiness, metrics: PrometheusRegistry, logger: Logger,
    onServerRunning: @escaping @Sendable (Int) async -> Void = { _ in }
  ) {
    let table = RouteTable(configuration: configuration, door: door, readiness: readiness, metrics: metrics)
    let router = table.router(
      gate: Gate(door: door, rate: configuration.principalRate),
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
  /// - Throws: `dev.port_taken` when something else listens there; `config.invalid` when nobody can listen there.
  package func run() async throws {
    let place = "port \(configuration.port) of \(configuration.host)"
    do {
      try await application.run()
    } catch let error as IOError where error.errnoCode == EADDRINUSE {
      throw SimplonError(
        .devPortTaken, "\(place) is in use", hint: "stop what listens there, or choose another with --port",
        cause: error)
    } catch let error as IOError {
      throw SimplonError.cannotListen(at: place, error)
    } catch let error as SocketAddressError {
      throw SimplonError.cannotListen(at: place, error)
    } catch let error as SocketAddressError.UnknownHost {
      throw SimplonError.cannotListen(at: place, error)
    }
  }
}

extension SimplonError {
  fileprivate static func cannotListen(at place: String, _ error: any Error) -> SimplonError {
    SimplonError(
      .configInvalid, "\(place) cannot be listened on",
      hint: "SIMPLON_HOST must be an address of this machine, and ports below 1024 need root",
      details: ["key": "SIMPLON_HOST"], cause: error)
  }
}
