import Logging
import SimplonAgents
import SimplonCluster
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// An installation as its configuration names it: the one of `simplon serve` where a database is named, else the data
/// folder of `simplon dev`.
struct Installation: Sendable {
  let reader: SettingsReader
  /// What the server would have; its addresses are empty where ``hasDatabase`` is not.
  let settings: Stack.Settings
  /// The data folder, as an absolute path.
  let folder: String
  /// Whether a database of the user's is named.
  let isServed: Bool
  /// What lies in the data folder of `simplon dev`; nil where nothing was ever started, and for `simplon serve`.
  let cluster: StoredCluster?
  /// The database as the owner of the tables, as `simplon db` takes it.
  let owner: PostgresConfiguration

  /// Whether there is a database that can be asked.
  var hasDatabase: Bool { isServed || cluster?.isRunning == true }

  /// Whether there are keys and a secret by now: the first start of `simplon dev` makes them.
  var hasProject: Bool { isServed || cluster != nil }

  /// Who serves callers, for a person.
  var callerLogin: String {
    isServed && reader.text(.apiPassword) == nil ? "the login of DATABASE_URL" : "simplon_api"
  }

  /// Reads the configuration.
  ///
  /// - Parameter given: the data folder, if it was given.
  /// - Throws: `config.*`, `dev.postgres_failed`.
  init(folder given: String?) async throws(SimplonError) {
    reader = try await SettingsReader(flags: given.map { [Setting.data.name: $0] } ?? [:])
    try reader.check()
    folder = try dataFolder(reader)
    isServed = reader.text(.databaseURL) != nil || reader.text(.dbHost) != nil
    // Whose tokens are good is a check of its own.
    if isServed {
      cluster = nil
      let address = try DatabaseAddress(reader)
      settings = try ServeCommand.settings(
        reader, at: address, workerPassword: reader.text(.workerPassword) ?? "", issuers: [], keys: APIKeys())
      owner = PostgresConfiguration(dsn: reader.text(.directURL) ?? address.dsn)
    } else {
      let cluster = try StoredCluster(in: folder)
      func address(_ login: ClusterState.Login) -> DatabaseAddress { DatabaseAddress(dsn: cluster?.dsn(login) ?? "") }
      settings = try Stack.Settings(
        reader, callers: address(.api), engine: address(.worker), issuers: [], keys: APIKeys())
      owner = PostgresConfiguration(dsn: address(.owner).dsn)
      self.cluster = cluster
    }
  }

  /// Tells who is asking, as the server would.
  ///
  /// - Throws: `config.*`.
  func authenticator(logger: Logger) async throws(SimplonError) -> Authenticator {
    guard let state = cluster?.state else {
      return try Authenticator(
        issuers: try await ServeCommand.trusted(reader, logger),
        keys: APIKeys(anon: reader.list(.anonKey), service: reader.list(.serviceKey)))
    }
    let own = try Issuer.own(
      projectURL: DevState.projectURL, aliases: state.notes["api_url"].map { [$0 + "/auth/v1"] } ?? [],
      secret: state.jwtSecret, logger: logger)
    return try Authenticator(
      issuers: [own] + (try await Issuer.list(parsing: reader.text(.issuers) ?? "", logger: logger)),
      keys: APIKeys(anon: [state.publishableKey], service: [state.secretKey]))
  }
}
