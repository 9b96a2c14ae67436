import FoundationEssentials
import Glibc
import Logging
import SimplonAgents
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import SimplonServer

extension Stack.Settings {
  /// Everything but the trust, from the configuration.
  ///
  /// - Parameters:
  ///   - reader: the configuration.
  ///   - callers: the database as `simplon_api`.
  ///   - engine: the database as `simplon_worker`.
  ///   - direct: the same past a pooler.
  ///   - issuers: whose tokens are good.
  ///   - keys: the project's opaque keys.
  /// - Throws: `config.invalid`.
  init(
    _ reader: SettingsReader, callers: DatabaseAddress, engine: DatabaseAddress, direct: DatabaseAddress? = nil,
    issuers: [Issuer], keys: APIKeys
  ) throws(SimplonError) {
    let schema = try reader.required(.schema, reader.text)
    let isPooled = try reader.flag(.pooler)
    // A pooler takes no options; there the logins' own search_path does it, which `simplon db push` sets.
    func dsn(_ address: DatabaseAddress, isPooled: Bool) -> String {
      schema == "public" || isPooled ? address.dsn : address.with(schema: schema).dsn
    }
    var caller = PostgresConfiguration(dsn: dsn(callers, isPooled: isPooled))
    caller.sharedConnections = try reader.required(.connections, reader.integer)
    caller.connectTimeout = try reader.required(.connectionTimeout, reader.duration)
    caller.pooler = isPooled
    caller.applicationName = "simplon api"
    var worker = caller
    worker.dsn = dsn(engine, isPooled: isPooled)
    worker.applicationName = "simplon worker"
    var listener: PostgresConfiguration?
    if let direct {
      listener = worker
      listener?.dsn = dsn(direct, isPooled: false)
      listener?.pooler = false
      listener?.sharedConnections = 1
    }

    var server = ServerConfiguration(
      host: try reader.required(.host, reader.text), port: try reader.required(.port, reader.integer),
      version: Version.current)
    server.allowedOrigins = reader.list(.origins)
    server.trustedProxies = try reader.required(.proxies, reader.integer)
    server.principalRate = Self.rate(try reader.integer(.principalRate))
    server.addressRate = Self.rate(try reader.integer(.addressRate))

    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var configuration = WorkerConfiguration(name: name, version: Version.current)
    configuration.slots = try reader.required(.slots, reader.integer)
    configuration.runsPerUser = try reader.integer(.runsPerUser)
    configuration.runsTotal = try reader.integer(.runsTotal)
    configuration.lease = try reader.required(.lease, reader.duration)
    configuration.grace = try reader.required(.grace, reader.duration)
    configuration.logRetention = try reader.duration(.logRetention)
    configuration.runRetention = try reader.duration(.runRetention)
    configuration.metricRetention = try reader.duration(.metricRetention)
    configuration.auditRetention = try reader.duration(.auditRetention)
    configuration.webhooksAllowPrivate = try reader.flag(.webhookAllowPrivate)
    configuration.intake = IntakeLimits(
      perUser: Self.limit(try reader.integer(.queuePerUser)), total: Self.limit(try reader.integer(.queueTotal)),
      patience: try reader.required(.intakePatience, reader.duration))
    configuration.agentTimeout = try reader.required(.agentTimeout, reader.duration)

    configuration.caps.call = try reader.amount(.capPerCall)
    configuration.caps.run = try reader.amount(.capPerRun)
    configuration.caps.tree = try reader.amount(.capPerTree)
    configuration.caps.userDay = try reader.amount(.capPerUserDay)
    configuration.caps.day = try reader.amount(.capPerDay)

    var roles = Set<Stack.Role>()
    for name in reader.list(.roles) {
      guard let role = Stack.Role(rawValue: name) else {
        throw SimplonError(
          .configInvalid, "SIMPLON_ROLES has \"\(name.prefix(40))\", and must be of: api, worker",
          details: ["key": "SIMPLON_ROLES"])
      }
      roles.insert(role)
    }
    guard !roles.isEmpty else {
      throw SimplonError(.configInvalid, "SIMPLON_ROLES is empty, and must be of: api, worker")
    }
    let data = try dataFolder(reader)
    self.init(
      roles: roles, callers: caller, engine: worker, direct: listener, schema: schema,
      issuers: issuers, keys: keys, server: server, worker: configuration,
      callerTimeout: try reader.required(.statementTimeout, reader.duration),
      intake: configuration.intake,
      files: "\(data)/files", scratch: "\(data)/work", sandboxes: try reader.integer(.sandboxes),
      allowUnsandboxed: try reader.flag(.unsandboxed),
      connectors: try Connector.list(parsing: reader.text(.connectors) ?? ""),
      egress: try EgressRules(
        reader.list(.egressAllow), allowsPrivate: try reader.flag(.egressAllowPrivate)),
      approvals: try ApprovalRules(parsing: reader.text(.approvals) ?? "", tools: ToolBox.catalog),
      models: try ModelSettings(reader), embeddings: try Embeddings.Configuration(reader),
      evaluator: try Evaluator.Configuration(reader))
  }

  /// 0 is none.
  private static func limit(_ most: Int?) -> Int? { most == 0 ? nil : most }

  private static func rate(_ perSecond: Int?) -> ServerConfiguration.Rate? {
    guard let perSecond, perSecond > 0 else { return nil }
    return ServerConfiguration.Rate(perSecond: Double(perSecond), burst: Double(perSecond) * 2)
  }
}
