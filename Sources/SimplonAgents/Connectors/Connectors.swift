import FoundationEssentials
package import Logging
import ServiceLifecycle
import SimplonCore
import SimplonPostgres
import Synchronization

/// The operator's connectors by name, and the databases behind them while they are in use.
///
/// A database is connected to at its first use. Whoever uses connectors has to end first: the databases go with
/// ``run()``.
package final class Connectors: Service {
  /// None.
  package static let none = Connectors([], logger: Logger(label: "simplon") { _ in SwiftLogNoOpLogHandler() })

  /// Of each database.
  private static let connections = 4

  private let byName: [String: Connector]
  /// Each with its connections' places, for which users take turns.
  private let clients = Mutex([String: (PostgresClient, Semaphore)]())
  private let made: AsyncStream<PostgresClient>
  private let making: AsyncStream<PostgresClient>.Continuation
  private let logger: Logger

  /// Takes what ``Connector/list(parsing:)`` has read.
  package init(_ connectors: [Connector], logger: Logger) {
    byName = Dictionary(connectors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    (made, making) = AsyncStream.makeStream(of: PostgresClient.self)
    self.logger = logger
  }

  /// Keeps the databases connected until graceful shutdown or cancellation; it can run once.
  package func run() async throws {
    await withGracefulShutdownHandler {
      await withDiscardingTaskGroup { group in
        for await client in self.made { group.addTask { try? await client.run() } }
        group.cancelAll()
      }
    } onGracefulShutdown: {
      self.making.finish()
    }
  }

  /// What a write on a connector would do if it were repeated.
  func effectOfWriting(on name: String) -> EffectKind {
    if case .postgres(let connector)? = byName[name]?.kind, connector.hasEffects { .reconcile } else { .manual }
  }

  /// Those that serve a run.
  ///
  /// - Parameters:
  ///   - user: whose run it is.
  ///   - names: the only ones that it may use; nil means all that serve its user.
  /// - Returns: them in the order of their names.
  func serving(_ user: UUID?, among names: [String]?) -> [Connector] {
    byName.values.filter { $0.serves(user) && (names?.contains($0.name) ?? true) }.sorted { $0.name < $1.name }
  }

  /// The HTTP service of that name.
  ///
  /// - Throws: `tool.connector` when there is none for the run; whether there is one for others is not told.
  func http(_ name: String, for user: UUID?, among names: [String]? = nil) throws(SimplonError) -> HTTPConnector {
    guard case .http(let http)? = connector(name, for: user, among: names)?.kind else { throw missing(name, "http") }
    return http
  }

  /// The database of that name, a client of it, and the room for statements on it.
  ///
  /// - Throws: like ``http(_:for:among:)``.
  func postgres(
    _ name: String, for user: UUID?, among names: [String]? = nil
  ) throws(SimplonError) -> (connector: PostgresConnector, client: PostgresClient, room: Semaphore) {
    guard case .postgres(let postgres)? = connector(name, for: user, among: names)?.kind else {
      throw missing(name, "postgres")
    }
    let (client, room) = client(name, postgres)
    return (postgres, client, room)
  }

  private func connector(_ name: String, for user: UUID?, among names: [String]?) -> Connector? {
    guard let connector = byName[name], connector.serves(user), names?.contains(name) ?? true else { return nil }
    return connector
  }

  private func client(_ name: String, _ connector: PostgresConnector) -> (PostgresClient, Semaphore) {
    clients.withLock { clients in
      if let known = clients[name] { return known }
      var configuration = PostgresConfiguration(dsn: connector.dsn)
      configuration.sharedConnections = 1
      configuration.exclusiveConnections = Self.connections
      configuration.statementTimeout = connector.statementTimeout
      configuration.keepsStatements = false
      configuration.applicationName = "simplon connector \(name)"
      let client = PostgresClient(configuration: configuration, logger: logger)
      let made = (client, Semaphore(Self.connections))
      clients[name] = made
      making.yield(client)
      return made
    }
  }

  private func missing(_ name: String, _ kind: String) -> SimplonError {
    SimplonError(
      .toolConnector, "there is no connector \"\(name.prefix(64))\" of kind \(kind) for this run",
      hint: "The operator declares connectors, and whose runs may use them, in SIMPLON_CONNECTORS; a run that was made "
        + "with \"connectors\" has no others.")
  }
}
