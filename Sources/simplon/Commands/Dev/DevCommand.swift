import ArgumentParser
import FoundationEssentials
import Logging
import Metrics
import ServiceLifecycle
import SimplonAgents
import SimplonCluster
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import SimplonServer
import UnixSignals

/// `simplon dev`: a private PostgreSQL, the server and a worker in one process.
struct DevCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev", abstract: "Start everything on this machine: private PostgreSQL, server and worker.",
    discussion: "Ctrl-C stops all of it; the data stays in the folder.")

  @Option(name: .customLong("data"), help: ArgumentHelp("The data folder.", valueName: "folder"))
  var folder = ".simplon"

  @Option(help: ArgumentHelp("The API's port on 127.0.0.1; 0: any free one.", valueName: "number"))
  var port = 54321

  @Option(name: .customLong("db-port"), help: ArgumentHelp("PostgreSQL's port; 0: any free one.", valueName: "number"))
  var databasePort = 54322

  @Option(help: ArgumentHelp("Where PostgreSQL's programs are, 15 or newer.", valueName: "folder"))
  var postgresBin: String?

  @Flag(help: "Print one line of JSON when ready.")
  var json = false

  func validate() throws {
    guard (0...65535).contains(port), (0...65535).contains(databasePort) else {
      throw ValidationError("a port is a number from 0 to 65535")
    }
  }

  func run() async throws {
    try await start(untilSignal: true) { state in
      json ? Print.out(state.json.text) : state.announce()
    }
  }

  /// Runs the stack for as long as the body lasts, quietly.
  func withStack(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await start(untilSignal: false) { _ in try await body() }
  }

  /// Starts the stack and calls the body when it is ready; ends by a signal, or with the body.
  private func start(untilSignal: Bool, _ body: @escaping @Sendable (DevState) async throws -> Void) async throws {
    let data = URL(filePath: folder).path
    let reader = try await SettingsReader(flags: [
      Setting.data.name: data, Setting.port.name: String(port), Setting.host.name: "127.0.0.1",
    ])
    try reader.check()
    var logger = try makeLogger(reader)
    if !untilSignal { logger.logLevel = max(logger.logLevel, .warning) }
    let metrics = PrometheusRegistry()
    MetricsSystem.bootstrap(metrics)
    let log = logger
    try await Cluster.with(
      ClusterOptions(folder: data, port: databasePort, programs: postgresBin), logger: logger
    ) { cluster in
      try await Self.migrate(cluster, log)
      let port = try freePort(port, option: "--port")
      let state = try DevState(cluster: cluster, port: port)
      let own = try Issuer.own(
        projectURL: DevState.projectURL, aliases: [state.apiURL + "/auth/v1"],
        secret: cluster.state.jwtSecret, logger: log)
      let foreign = try await Issuer.list(parsing: reader.text(.issuers) ?? "", logger: log)
      var settings = try Stack.Settings(
        reader, callers: cluster.dsn(.api), engine: cluster.dsn(.worker), issuers: [own] + foreign,
        keys: APIKeys(anon: [cluster.state.publishableKey], service: [cluster.state.secretKey]))
      settings.server.port = port
      // Who presses Ctrl-C does not want to wait; unfinished runs go on at the next start.
      settings.worker.grace = min(settings.worker.grace, .seconds(2))
      let ready = Ready(state: state, body: body, ends: !untilSignal)
      let services = try await Stack.services(settings, metrics: metrics, logger: log) { _ in ready.signal() }
      try await ServiceGroup(
        configuration: ServiceGroupConfiguration(
          services: ([cluster] + services).map { .init(service: $0) }
            + [.init(service: ready, successTerminationBehavior: .gracefullyShutdownGroup)],
          gracefulShutdownSignals: [.sigterm, .sigint, .sighup], logger: log)
      ).run()
    }
  }

  private static func migrate(_ cluster: Cluster, _ logger: Logger) async throws {
    let passwords = cluster.state.passwords
    try await PostgresClient.withRunning(PostgresConfiguration(dsn: cluster.dsn(.admin)), logger: logger) { client in
      try await Bootstrap(client: client).privateCluster(
        owner: passwords[.owner] ?? "", api: passwords[.api] ?? "", worker: passwords[.worker] ?? "")
    }
    try await PostgresClient.withRunning(PostgresConfiguration(dsn: cluster.dsn(.owner)), logger: logger) { client in
      _ = try await Migrator(client: client, migrations: AgentSchema.migrations, logger: logger).push()
    }
  }
}

/// Waits until the server listens, then does what was asked for.
private struct Ready: Service {
  private let state: DevState
  private let body: @Sendable (DevState) async throws -> Void
  private let ends: Bool
  private let listening: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init(state: DevState, body: @escaping @Sendable (DevState) async throws -> Void, ends: Bool) {
    self.state = state
    self.body = body
    self.ends = ends
    (listening, continuation) = AsyncStream.makeStream(of: Void.self)
  }

  func signal() { continuation.finish() }

  func run() async throws {
    await cancelWhenGracefulShutdown { for await _ in listening {} }
    guard !Task.isShuttingDownGracefully else { return }
    try state.write()
    try await body(state)
    // Returning stops the whole group.
    if !ends { try? await gracefulShutdown() }
  }
}
