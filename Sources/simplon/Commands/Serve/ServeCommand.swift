import ArgumentParser
import Logging
import Metrics
import ServiceLifecycle
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import SimplonServer

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
  var env: Environment?

  @Flag(help: "Print one line of JSON when ready.")
  var json = false

  func run() async throws {
    var flags = [String: String]()
    flags[Setting.roles.name] = roles
    flags[Setting.port.name] = port.map(String.init)
    let reader = try await SettingsReader(flags: flags, environment: env)
    try reader.check()
    let logger = try makeLogger(reader)
    raiseFileLimit()
    try await stoppable(logger) { try await serve(reader, logger) }
  }

  private func serve(_ reader: SettingsReader, _ logger: Logger) async throws {
    let metrics = PrometheusRegistry()
    MetricsSystem.bootstrap(metrics)
    let address = try DatabaseAddress(reader)
    let worker = try reader.required(
      .workerPassword, "simplon db push makes the login simplon_worker and prints its password once.")
    let settings = try Self.settings(
      reader, at: address, workerPassword: worker, issuers: try await Self.trusted(reader, logger),
      keys: APIKeys(anon: reader.list(.anonKey), service: reader.list(.serviceKey)))
    let url = "http://\(settings.server.host):"
    let isWorkerAlone = !settings.roles.contains(.api)
    let services = try await cancelWhenGracefulShutdown {
      try await Stack.services(settings, metrics: metrics, logger: logger) { port in
        logger.notice("listening", metadata: ["url": "\(url)\(port)"])
        let address = JSON.string("\(url)\(port)")
        if json { try? Print.out(isWorkerAlone ? ["worker_url": address] : ["api_url": address]) }
      }
    }
    let ready = Ready { try await gracefulShutdown() }
    ready.signal()
    try await Stack.group(services.map { .init(service: $0) } + [ready.member], settings, logger: logger).run()
  }

  /// The settings of a server on a database of the user's.
  static func settings(
    _ reader: SettingsReader, at address: DatabaseAddress, workerPassword: String, issuers: [Issuer], keys: APIKeys
  ) throws(SimplonError) -> Stack.Settings {
    try Stack.Settings(
      reader,
      callers: reader.text(.apiPassword).map { address.with(user: "simplon_api", password: $0) } ?? address,
      engine: address.with(user: "simplon_worker", password: workerPassword),
      direct: reader.text(.directURL).map {
        DatabaseAddress(dsn: $0).with(user: "simplon_worker", password: workerPassword)
      },
      issuers: issuers, keys: keys)
  }

  /// Whose tokens are good for a server that has the configuration; nobody's where only workers run.
  static func trusted(_ reader: SettingsReader, _ logger: Logger) async throws(SimplonError) -> [Issuer] {
    guard reader.list(.roles).contains(Stack.Role.api.rawValue) else { return [] }
    let url = try reader.required(.url, "It is the project whose tokens are good here, such as https://x.supabase.co.")
    let own = try Issuer.own(projectURL: url, secret: reader.text(.jwtSecret), logger: logger)
    return [own] + (try await Issuer.list(parsing: reader.text(.issuers) ?? "", logger: logger))
  }
}
