import Foundation
import Logging
import ServiceLifecycle
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport

@testable import SimplonAgents

/// swift-log has a type of this name too.
typealias LogEvent = SimplonAgents.LogEvent

/// The parts of a server on a database of the test's own: use cases, streams, and as many workers as the test starts.
struct Engine: Sendable {
  let database: TestDatabase
  let callers: PostgresClient
  let client: PostgresClient
  let queue: QueueStore
  let runs: Runs
  let streams: LogStreams
  let wakeUp: WakeUp
  let tools: ToolBox
  let logger: Logger

  static let alice = Principal(
    role: .authenticated, subject: UUID(uuidString: "AAAAAAAA-0000-4000-8000-000000000001"), source: .jwt)
  static let bob = Principal(
    role: .authenticated, subject: UUID(uuidString: "BBBBBBBB-0000-4000-8000-000000000002"), source: .jwt)
  static let service = Principal(role: .serviceRole, source: .key)

  /// Gives the body an engine without a worker; everything ends with it.
  static func with<R: Sendable>(_ body: sending (Engine) async throws -> R) async throws -> R {
    try await withTestDatabase { database in
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      let callers = PostgresClient(configuration: PostgresConfiguration(dsn: database.api), logger: logger)
      let client = PostgresClient(configuration: PostgresConfiguration(dsn: database.worker), logger: logger)
      let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-test-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: folder) }
      let blobs = try BlobStore(root: folder.appending(path: "blobs").path)
      let sandbox = await Sandbox.probe(
        Sandbox.Configuration(
          guardCommand: [Playground.executable, "__guard"], folder: folder.appending(path: "work").path),
        logger: logger)
      let tools = ToolBox(sandbox: sandbox, blobs: blobs, logger: logger)
      let wakeUp = WakeUp(client: client, listens: true, logger: logger)
      let streams = LogStreams(engine: client, wakeUp: wakeUp, logger: logger)
      let engine = Engine(
        database: database, callers: callers, client: client, queue: QueueStore(client: client),
        runs: Runs(
          callers: callers, engine: client, statementTimeout: .seconds(10), tools: tools.catalog, blobs: blobs,
          wakeUp: wakeUp),
        streams: streams, wakeUp: wakeUp, tools: tools, logger: logger)
      return try await withThrowingTaskGroup { group in
        for service in [callers, client, wakeUp, streams] as [any Service] { group.addTask { try await service.run() } }
        defer { group.cancelAll() }
        return try await body(engine)
      }
    }
  }

  /// Runs a worker for as long as the body lasts.
  func withWorker<R: Sendable>(
    lease: Duration = .seconds(5), grace: Duration = .seconds(5), _ body: () async throws -> R
  ) async throws -> R {
    try await withThrowingTaskGroup { group in
      let worker = worker(lease: lease, grace: grace)
      group.addTask { try await worker.run() }
      defer { group.cancelAll() }
      return try await body()
    }
  }

  func worker(lease: Duration = .seconds(5), grace: Duration = .seconds(5)) -> Worker {
    var configuration = WorkerConfiguration(name: "test", version: "0")
    configuration.lease = lease
    configuration.grace = grace
    configuration.pollInterval = .milliseconds(100)
    configuration.checkInterval = .milliseconds(100)
    return Worker(configuration: configuration, engine: client, tools: tools, wakeUp: wakeUp, logger: logger)
  }

  func create(_ steps: JSON, as caller: Principal = alice, start: Bool = true) async throws -> UUID {
    try await runs.create(
      CreateRun(json: ["plan": ["steps": steps], "start": .bool(start)]), idempotencyKey: nil, as: caller
    ).runID
  }

  /// Follows the run to its `done`; gives all events.
  func follow(_ run: UUID, after: Int64 = 0) async throws -> [LogEvent] {
    var events = [LogEvent]()
    for try await batch in streams.subscribe(to: run, after: after) { events += batch }
    return events
  }

  /// Waits until an event of the run satisfies the condition.
  func wait(for run: UUID, until isIt: @escaping (LogEvent) -> Bool) async throws {
    for try await batch in streams.subscribe(to: run, after: 0) where batch.contains(where: isIt) { return }
  }

  func status(_ run: UUID, as caller: Principal = alice, lists: Set<RunIncludes.List> = []) async throws -> JSON {
    try await JSON(parsing: runs.status(of: run, include: RunIncludes(lists: lists), as: caller))
  }
}
