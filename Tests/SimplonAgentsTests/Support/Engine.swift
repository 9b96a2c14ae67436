import Foundation
import Logging
import ServiceLifecycle
import SimplonCluster
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

/// The parts of a server on a database of the test's own: use cases, streams, and as many workers as the test starts.
struct Engine: Sendable {
  let database: TestDatabase
  let callers: PostgresClient
  let client: PostgresClient
  let admin: PostgresClient
  let queue: QueueStore
  let heldRuns: HeldRunStore
  let logs: LogStore
  let runs: Runs
  let streams: LogStreams
  let wakeUp: WakeUp
  let tools: ToolBox
  /// What prompts are put to; a test may name some.
  var models = ModelRouter([])
  let logger: Logger

  static let alice = Principal(
    role: .authenticated, subject: UUID(uuidString: "AAAAAAAA-0000-4000-8000-000000000001"), source: .jwt)
  static let bob = Principal(
    role: .authenticated, subject: UUID(uuidString: "BBBBBBBB-0000-4000-8000-000000000002"), source: .jwt)
  static let service = Principal(role: .serviceRole, source: .key)

  /// Gives the body an engine without a worker; everything ends with it.
  static func with<R: Sendable>(
    embeddings: Embeddings? = nil, _ body: sending (Engine) async throws -> R
  ) async throws -> R {
    try await withTestDatabase { database in
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      let callers = PostgresClient(configuration: PostgresConfiguration(dsn: database.api), logger: logger)
      let client = PostgresClient(configuration: PostgresConfiguration(dsn: database.worker), logger: logger)
      let admin = PostgresClient(configuration: PostgresConfiguration(dsn: database.admin), logger: logger)
      let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-test-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: folder) }
      let blobs = try BlobStore(root: folder.appending(path: "blobs").path)
      let sandbox = await Sandbox.probe(
        Sandbox.Configuration(
          guardCommand: [Playground.executable, "__guard"], folder: folder.appending(path: "work").path),
        logger: logger)
      let memory = MemoryStore(callers: callers, engine: client, embeddings: embeddings)
      let tools = ToolBox(sandbox: sandbox, blobs: blobs, memory: memory, logger: logger)
      let wakeUp = WakeUp(client: client, listens: true, logger: logger)
      let streams = LogStreams(engine: client, wakeUp: wakeUp, logger: logger)
      let engine = Engine(
        database: database, callers: callers, client: client, admin: admin, queue: QueueStore(client: client),
        heldRuns: HeldRunStore(client: client), logs: LogStore(client: client),
        runs: Runs(
          callers: callers, engine: client, statementTimeout: .seconds(10), tools: tools.catalog, blobs: blobs,
          wakeUp: wakeUp),
        streams: streams, wakeUp: wakeUp, tools: tools, logger: logger)
      return try await withThrowingTaskGroup { group in
        for service in [callers, client, admin, wakeUp, streams] as [any Service] {
          group.addTask { try await service.run() }
        }
        defer { group.cancelAll() }
        return try await body(engine)
      }
    }
  }

  /// Runs a worker for as long as the body lasts.
  func withWorker<R: Sendable>(
    slots: Int = 64, lease: Duration = .seconds(5), grace: Duration = .seconds(5), longestHold: Duration? = nil,
    _ body: () async throws -> R
  ) async throws -> R {
    try await withThrowingTaskGroup { group in
      let worker = worker(slots: slots, lease: lease, grace: grace, longestHold: longestHold)
      group.addTask { try await worker.run() }
      defer { group.cancelAll() }
      return try await body()
    }
  }

  func worker(
    slots: Int = 64, lease: Duration = .seconds(5), grace: Duration = .seconds(5), longestHold: Duration? = nil
  ) -> Worker {
    var configuration = WorkerConfiguration(name: "test", version: "0")
    configuration.slots = slots
    configuration.lease = lease
    configuration.grace = grace
    if let longestHold { configuration.longestHold = longestHold }
    configuration.pollInterval = .milliseconds(100)
    configuration.checkInterval = .milliseconds(100)
    return Worker(
      configuration: configuration, engine: client, tools: tools, models: models, wakeUp: wakeUp, logger: logger)
  }

  var registry: Registry { Registry(callers: callers, statementTimeout: .seconds(10), runs: runs) }

  func upkeep(
    runRetention: Duration? = nil, metricRetention: Duration? = nil, auditRetention: Duration? = nil,
    intake: IntakeLimits = IntakeLimits()
  ) -> Upkeep {
    var configuration = WorkerConfiguration(name: "test", version: "0")
    configuration.runRetention = runRetention
    configuration.metricRetention = metricRetention
    configuration.auditRetention = auditRetention
    configuration.intake = intake
    return Upkeep(client: client, blobs: tools.blobs, configuration: configuration, logger: logger)
  }

  func create(_ steps: JSON, as caller: Principal = alice, start: Bool = true) async throws -> UUID {
    try await runs.create(
      CreateRun(json: ["plan": ["steps": steps], "start": .bool(start)]), idempotencyKey: nil, as: caller
    ).runID
  }

  /// Inserts a run as a user of the database alone does, who has no door to check what it inserts.
  func insert(plan: String, metadata: String = "'{}'") async throws -> UUID {
    let rows = try await database.execute(
      """
      select set_config('request.jwt.claims', '\(Engine.alice.claimsText)', false);
      set role authenticated;
      insert into agent_runs (plan, metadata) values ('\(plan)', \(metadata)) returning id
      """, as: .api)
    return try #require(rows.last.flatMap { $0 }.flatMap(UUID.init(uuidString:)))
  }

  /// Writes events to a run that nobody has claimed, `done` as the last one if asked for, and tells of them.
  func write(_ count: Int, to run: UUID, done: Bool = false) async throws {
    try await database.execute(
      """
      with s as (update simplon.run_state set next_seq = next_seq + \(count) where run_id = '\(run)' returning next_seq)
      insert into agent_task_logs (run_id, seq, kind, payload)
      select '\(run)', s.next_seq - n, case when n = 1 and \(done) then 'done' else 'log' end, '{}'
      from s, generate_series(1, \(count)) n
      """)
    wakeUp.runsChanged([run])
  }

  /// Holds what orders these runs' writes for as long as the body lasts.
  func withLocked(_ runs: [UUID], _ body: () async throws -> Void) async throws {
    try await admin.withTransaction(retries: 0) { connection in
      try await connection.query("select from simplon.run_state where run_id = any(\(runs)) for update")
      try await body()
    }
  }

  /// Waits until so many sessions of the database wait for a lock.
  func waitUntilBlocked(_ count: Int) async throws {
    let query: PostgresQuery = """
      select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
      """
    while try await admin.query(query).first?.decode(Int64.self) ?? 0 < Int64(count) { await Task.yield() }
  }

  /// Follows the run to its `done`; gives all events.
  func follow(_ run: UUID, after: Int64 = 0) async throws -> [StoredEvent] {
    var events = [StoredEvent]()
    for try await batch in streams.subscribe(to: run, after: after) { events += batch }
    return events
  }

  /// Waits until an event of the run satisfies the condition.
  func wait(for run: UUID, after: Int64 = 0, until isIt: @escaping (StoredEvent) -> Bool) async throws {
    for try await batch in streams.subscribe(to: run, after: after) where batch.contains(where: isIt) { return }
  }

  func status(_ run: UUID, as caller: Principal = alice, lists: Set<RunIncludes.List> = []) async throws -> JSON {
    try await JSON(parsing: runs.status(of: run, include: RunIncludes(lists: lists), as: caller))
  }
}
