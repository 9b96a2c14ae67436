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

/// `simplon dev`: a private PostgreSQL, the server and a worker in one process.
struct DevCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev", abstract: "Start everything on this machine: private PostgreSQL, server and worker.",
    discussion: "Ctrl-C stops all of it; the data stays in the folder.")

  @Option(
    name: .customLong("data"),
    help: ArgumentHelp("The data folder (SIMPLON_DATA, else .simplon).", valueName: "folder"))
  var folder: String?

  @Option(
    help: ArgumentHelp("The API's port on 127.0.0.1 (SIMPLON_PORT, else 54321); 0: any free one.", valueName: "number"))
  var port: Int?

  @Option(name: .customLong("db-port"), help: ArgumentHelp("PostgreSQL's port; 0: any free one.", valueName: "number"))
  var databasePort = 54322

  @Option(help: ArgumentHelp("Where PostgreSQL's programs are, 15 or newer.", valueName: "folder"))
  var postgresBin: String?

  @Flag(help: "Print one line of JSON when ready.")
  var json = false

  func validate() throws {
    guard (0...65535).contains(port ?? 0), (0...65535).contains(databasePort) else {
      throw ValidationError("a port is a number from 0 to 65535")
    }
  }

  func run() async throws {
    try await start(isQuiet: false) { state in
      // The stack is what is wanted, also where nobody reads this.
      try? json ? Print.out(state.json) : state.announce()
      try await gracefulShutdown()
    }
  }

  /// Runs the stack for as long as the body lasts, quietly.
  ///
  /// - Throws: what the body throws; a cancel when a signal cut it short.
  func withStack(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try await start(isQuiet: true) { _ in try await body() }
  }

  /// Starts the stack and calls the body when it is ready; ends with the body, which a signal cancels.
  private func start(isQuiet: Bool, _ body: @escaping @Sendable (DevState) async throws -> Void) async throws {
    var flags = [Setting.host.name: "127.0.0.1"]
    flags[Setting.data.name] = folder
    flags[Setting.port.name] = port.map(String.init)
    let reader = try await SettingsReader(flags: flags)
    try reader.check()
    let logger = try makeLogger(reader, isQuiet: isQuiet)
    raiseFileLimit()
    try await stoppable(logger) { try await run(reader, logger, body) }
  }

  private func run(
    _ reader: SettingsReader, _ logger: Logger, _ body: @escaping @Sendable (DevState) async throws -> Void
  ) async throws {
    let metrics = PrometheusRegistry()
    MetricsSystem.bootstrap(metrics)
    let options = ClusterOptions(folder: try dataFolder(reader), port: databasePort, programs: postgresBin)
    try await Cluster.with(options, logger: logger) { cluster in
      let port = try freePort(try reader.required(.port, reader.integer), option: "--port")
      let state = try DevState(cluster: cluster, port: port)
      let own = try Issuer.own(
        projectURL: DevState.projectURL, aliases: [state.apiURL + "/auth/v1"],
        secret: cluster.state.jwtSecret, logger: logger)
      var settings = try Stack.Settings(
        reader, callers: DatabaseAddress(dsn: cluster.dsn(.api)), engine: DatabaseAddress(dsn: cluster.dsn(.worker)),
        issuers: [own] + (try await Issuer.list(parsing: reader.text(.issuers) ?? "", logger: logger)),
        keys: APIKeys(anon: [cluster.state.publishableKey], service: [cluster.state.secretKey]))
      settings.server.port = port
      // Who presses Ctrl-C does not want to wait; unfinished runs go on at the next start.
      settings.worker.grace = min(settings.worker.grace, .seconds(2))
      let ready = Ready {
        try state.write()
        try await body(state)
      }
      let services = try await cancelWhenGracefulShutdown { [settings] in
        try await Stack.services(settings, metrics: metrics, logger: logger) {
          try await Self.migrate(cluster, settings.schema, logger)
        } onReady: { _ in
          ready.signal()
        }
      }
      let members = ([cluster] + services).map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
      try await Stack.group(members + [ready.member], settings, logger: logger).run()
    }
  }

  private static func migrate(_ cluster: Cluster, _ schema: String, _ logger: Logger) async throws {
    let passwords = cluster.state.passwords
    try await PostgresClient.withRunning(PostgresConfiguration(dsn: cluster.dsn(.admin)), logger: logger) { client in
      try await Bootstrap(client: client).privateCluster(
        owner: passwords[.owner] ?? "", api: passwords[.api] ?? "", worker: passwords[.worker] ?? "")
    }
    var owner = PostgresConfiguration(dsn: cluster.dsn(.owner))
    // A second session would have to load the catalog again.
    owner.exclusiveConnections = 1
    try await PostgresClient.withRunning(owner, logger: logger) { client in
      _ = try await Migrator(client: client, migrations: AgentSchema.migrations, schema: schema, logger: logger).push()
    }
  }
}
