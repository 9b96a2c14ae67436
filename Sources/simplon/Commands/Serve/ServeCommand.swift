import ArgumentParser
import Logging
import Metrics
import ServiceLifecycle
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import SimplonServer
import UnixSignals

/// `simplon serve`: for production; everything comes from the environment.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the API and work off runs, against a database of yours.",
    discussion: "It is configured by the environment, .env and simplon.yaml; see docs/configuration.md.")

  @Option(help: ArgumentHelp("What this process does: api, worker, or both.", valueName: "list"))
  var roles: String?

  @Option(help: ArgumentHelp("The port to listen on; 0: any free one.", valueName: "number"))
  var port: Int?

  @Option(help: ArgumentHelp("dev or prod: SUPABASE_DEV_* or SUPABASE_PROD_* beat SUPABASE_*.", valueName: "name"))
  var env: String?

  @Flag(help: "Print one line of JSON when ready.")
  var json = false

  func run() async throws {
    var flags = [String: String]()
    flags[Setting.roles.name] = roles
    flags[Setting.port.name] = port.map(String.init)
    let reader = try await SettingsReader(flags: flags, environment: env)
    try reader.check()
    let logger = try makeLogger(reader)
    let metrics = PrometheusRegistry()
    MetricsSystem.bootstrap(metrics)

    let address = try DatabaseAddress(reader)
    let issuers = try await trusted(reader, logger)
    let worker = try reader.required(
      .workerPassword, "simplon db push makes the login simplon_worker and prints its password once.")
    let callers = reader.text(.apiPassword).map { address.with(user: "simplon_api", password: $0) } ?? address.dsn
    var settings = try Stack.Settings(
      reader, callers: callers, engine: address.with(user: "simplon_worker", password: worker),
      issuers: issuers,
      keys: APIKeys(
        anon: reader.list(.anonKey), service: reader.list(.serviceKey)))
    if let direct = reader.text(.directURL) {
      settings.direct = settings.engine
      settings.direct?.dsn = DatabaseAddress(dsn: direct).with(user: "simplon_worker", password: worker)
      settings.direct?.pooler = false
    }
    let host = settings.server.host
    let services = try await Stack.services(settings, metrics: metrics, logger: logger) { port in
      logger.notice("listening", metadata: ["url": "http://\(host):\(port)"])
      if json { Print.out(JSON.object(["api_url": .string("http://\(host):\(port)")]).text) }
    }
    if !settings.roles.contains(.api), json { Print.out("{\"worker\":true}") }
    try await ServiceGroup(
      configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint, .sighup], logger: logger)
    ).run()
  }

  private func trusted(_ reader: SettingsReader, _ logger: Logger) async throws -> [Issuer] {
    let secret = reader.text(.jwtSecret)
    let own = try Issuer.own(
      projectURL: reader.text(.url) ?? "", secret: secret,
      fetchesKeys: secret == nil, logger: logger)
    return [own] + (try await Issuer.list(parsing: reader.text(.issuers) ?? "", logger: logger))
  }
}
