import CSandboxGuard
import FoundationEssentials
import Logging
import Metrics
import ServiceLifecycle
import SimplonAgents
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import SimplonServer

/// The object graph of a server, in one place: read from top to bottom it is the architecture.
struct Stack {
  /// What a process does.
  enum Role: String, Sendable { case api, worker }

  /// Everything that differs between one installation and another.
  struct Settings: Sendable {
    /// Which parts this process runs.
    var roles: Set<Role>
    /// As `simplon_api`: for callers' requests.
    var callers: PostgresConfiguration
    /// As `simplon_worker`: for the engine.
    var engine: PostgresConfiguration
    /// The engine by a road that has LISTEN, when the others go through a transaction pooler; nil polls only.
    var direct: PostgresConfiguration?
    /// The schema of the contract tables.
    var schema: String
    var issuers: [Issuer]
    var keys: APIKeys
    var server: ServerConfiguration
    var worker: WorkerConfiguration
    /// How long one statement of a caller may take.
    var callerTimeout: Duration
    /// How much may wait before further runs are refused.
    var intake: IntakeLimits
    /// Where artifacts and layers are kept.
    var files: String
    /// Where steps have their work folders while they run.
    var scratch: String
    /// How many programs run at once; nil: two per processor.
    var sandboxes: Int?
    /// Runs programs without a sandbox where none can be made.
    var allowUnsandboxed: Bool
    /// What steps may use by name.
    var connectors: [Connector]
    /// Where the tool `http` may send requests.
    var egress: EgressRules
    /// Which calls a person has to approve.
    var approvals: ApprovalRules
    /// What prompts are put to.
    var models: ModelSettings
    /// Makes the vectors of memories; nil: they are found by words.
    var embeddings: Embeddings.Configuration?
    /// Judges what typed tasks gave; nil: nobody does.
    var evaluator: Evaluator.Configuration?
  }

  /// Puts the services together, in the order in which they start; nothing listens yet.
  ///
  /// - Parameters:
  ///   - settings: what this installation needs.
  ///   - metrics: what `/metrics` shows.
  ///   - logger: the process's.
  ///   - prepare: what gets the database ready; the sandbox is tried out meanwhile.
  ///   - onReady: called with the API's port once it listens.
  /// - Returns: the services.
  /// - Throws: `database.*` and `storage.mismatch` when it must not start.
  static func services(
    _ settings: Settings, metrics: PrometheusRegistry, logger: Logger,
    preparing prepare: () async throws -> Void = {},
    onReady: @escaping @Sendable (Int) async -> Void
  ) async throws -> [any Service] {
    let blobs = try BlobStore(root: settings.files)
    async let probe = settings.roles.contains(.worker) ? sandbox(settings, logger: logger) : nil
    try await prepare()
    try await preflight(settings, blobs: blobs, logger: logger)
    let sandbox = await probe

    let callers = PostgresClient(configuration: settings.callers, logger: logger)
    let engine = PostgresClient(configuration: settings.engine, logger: logger)
    let direct = settings.direct.map { PostgresClient(configuration: $0, logger: logger) }
    let listens = direct != nil || !settings.engine.pooler
    let wakeUp = WakeUp(client: direct ?? engine, listens: listens, logger: logger)
    var services: [any Service] = [callers, engine, wakeUp] + (direct.map { [$0] } ?? [])

    var doors = [any Service]()
    if let sandbox {
      let connectors = Connectors(settings.connectors, logger: logger)
      services.append(connectors)
      let transport = ModelTransport()
      services.append(transport)
      var embeddings: Embeddings?
      if let configuration = settings.embeddings {
        let transport = ModelTransport(limits: .short)
        let made = Embeddings(configuration: configuration, transport: transport)
        services.append(transport)
        services.append(MemoryIndexer(engine: engine, embeddings: made, logger: logger))
        embeddings = made
      }
      if let configuration = settings.evaluator {
        let transport = ModelTransport(limits: .short)
        services.append(transport)
        services.append(
          Evaluator(engine: engine, configuration: configuration, transport: transport, logger: logger))
      }
      // A search may take seconds, and is in nobody's way but other searches'.
      var searching = settings.callers
      searching.sharedConnections = 2
      let searches = PostgresClient(configuration: searching, logger: logger)
      services.append(searches)
      let tools = ToolBox(
        sandbox: sandbox, blobs: blobs, connectors: connectors, egress: settings.egress, approvals: settings.approvals,
        memory: MemoryStore(callers: searches, engine: engine, embeddings: embeddings), logger: logger)
      doors.append(
        Worker(
          configuration: settings.worker, engine: engine, tools: tools, models: settings.models.router(transport),
          wakeUp: wakeUp, logger: logger))
    }
    var door: AgentDoor?
    if settings.roles.contains(.api) {
      let streams = LogStreams(engine: engine, wakeUp: wakeUp, logger: logger)
      let runs = Runs(
        callers: callers, engine: engine, statementTimeout: settings.callerTimeout, tools: ToolBox.catalog,
        blobs: blobs, wakeUp: wakeUp, intake: settings.intake)
      door = AgentDoor(
        runs: runs,
        registry: Registry(
          callers: callers, statementTimeout: settings.callerTimeout, runs: runs,
          webhooksAllowPrivate: settings.worker.webhooksAllowPrivate), streams: streams,
        authenticator: try Authenticator(issuers: settings.issuers, keys: settings.keys))
      services.append(streams)
    }
    var configuration = settings.server
    configuration.maximumConnections = connectionLimit(files: raiseFileLimit())
    doors.append(
      AgentServer(
        configuration: configuration, door: door,
        readiness: { await Readiness.probe(engine: engine, sandbox: sandbox?.level) }, metrics: metrics,
        logger: logger, onServerRunning: onReady))
    // The worker takes no more runs while the server still answers.
    return services + [Together(services: doors)]
  }

  /// A group that runs services until graceful shutdown, and ends some time after the worker's grace in any case.
  static func group(
    _ members: [ServiceGroupConfiguration.ServiceConfiguration], _ settings: Settings, logger: Logger
  ) -> ServiceGroup {
    var configuration = ServiceGroupConfiguration(services: members, logger: logger)
    configuration.maximumGracefulShutdownDuration = settings.worker.grace + .seconds(10)
    return ServiceGroup(configuration: configuration)
  }

  /// What confines programs on this machine, tried out.
  static func sandbox(_ settings: Settings, logger: Logger) async -> Sandbox {
    var configuration = Sandbox.Configuration(
      guardCommand: ["/proc/self/exe", "__guard"], folder: settings.scratch)
    configuration.allowUnsandboxed = settings.allowUnsandboxed
    configuration.atOnce = settings.sandboxes ?? configuration.atOnce
    return await Sandbox.probe(configuration, logger: logger)
  }

  /// What must hold before anything is served.
  private static func preflight(_ settings: Settings, blobs: BlobStore, logger: Logger) async throws {
    try await PostgresClient.withRunning(settings.engine, logger: logger) { engine in
      if settings.roles.contains(.api) {
        try await PostgresClient.withRunning(settings.callers, logger: logger) { callers in
          try await refuseUnsafeLogin(client: callers, schema: settings.schema)
        }
      }
      try await blobs.refuseForeignDatabase(engine)
    }
  }
}
