import Logging
import Metrics
import SimplonCore
import SimplonPostgres

/// What workers do once in a while for all of them: room for events, retention, and an end to what time made useless.
struct Upkeep: Sendable {
  private static let hour = Duration.seconds(3600)
  private static let day = Duration.seconds(86_400)

  let client: PostgresClient
  let blobs: BlobStore
  let configuration: WorkerConfiguration
  let logger: Logger
  /// How well this machine confines programs, for what is written down of the system's health.
  let sandbox: SandboxLevel?
  /// How much may wait before schedules make no further runs.
  let intake: Intake

  init(
    client: PostgresClient, blobs: BlobStore, configuration: WorkerConfiguration, logger: Logger,
    sandbox: SandboxLevel? = nil
  ) {
    self.client = client
    self.blobs = blobs
    self.configuration = configuration
    self.logger = logger
    self.sandbox = sandbox
    let depth = QueueDepth(client: client)
    intake = Intake(limits: configuration.intake) { part, limit in try await depth.count(part, upTo: limit) }
  }

  /// One round; every worker makes one each hour.
  ///
  /// What fails keeps nothing else from being done.
  ///
  /// - Throws: the first trouble, when all has been tried.
  func run() async throws {
    let sweeps: [() async throws -> Void] = [
      { _ = try await client.query("select simplon.make_month_partitions('agent_task_logs')") },
      { _ = try await client.query("select simplon.make_month_partitions('observability_events')") },
      { _ = try await client.query("select simplon.make_month_partitions('agent_metrics', 1)") },
      { _ = try await client.query("select simplon.sweep()") },
      { _ = try await client.query("select simplon.forget_use()") },
      sweepDeliveries,
      {
        guard let age = configuration.logRetention else { return }
        _ = try await client.query(
          "select simplon.drop_month_partitions('agent_task_logs', \(age.milliseconds) * interval '1 ms')")
      },
      { if let age = configuration.runRetention { try await deleteRuns(olderThan: age) } },
      { _ = try await client.query("select simplon.sweep_spending()") },
      applyRetention,
      sweepFiles,
    ]
    var trouble: (any Error)?
    for sweep in sweeps {
      do {
        try await sweep()
      } catch {
        try Task.checkCancellation()
        trouble = trouble ?? error
      }
    }
    if let trouble { throw trouble }
  }

  /// Forgets what webhooks were told long ago, in statements that are short.
  private func sweepDeliveries() async throws {
    let most = 10_000
    var last = most
    while last == most {
      let rows = try await client.query("select simplon.sweep_deliveries(\(Int32(most)))")
      last = try rows.first?.decode(Int.self) ?? 0
    }
  }

  /// Deletes the runs that ended that long ago; one worker does it for all.
  ///
  /// - Parameters:
  ///   - age: how long ago at least.
  ///   - batch: how many runs one statement deletes at most; fewer, down to one, when it takes too long.
  ///   - limit: how long one statement may take.
  /// - Throws: `database.*`; what was deleted before stays so.
  func deleteRuns(olderThan age: Duration, batch: Int = 100, limit: Duration = .seconds(600)) async throws {
    guard try await hasTurn(at: "delete_runs", every: Self.hour) else { return }
    var deleted = 0
    var batch = batch
    var last = batch
    while last == batch {
      do {
        // A run may have millions of events: heartbeats do not queue up behind that, and it has its time.
        last = try await client.withConnection { [batch] connection in
          let rows = try await connection.query(
            "select simplon.delete_runs(\(age.milliseconds) * interval '1 ms', \(Int32(batch)))",
            as: PostgresSession(statementTimeout: limit))
          return Int(try rows.first?.decode(Int32.self) ?? 0)
        }
      } catch let error as SimplonError where error.code == .databaseTimeout && batch > 1 {
        batch = max(1, batch / 10)
        last = batch
        continue
      }
      deleted += last
      Counter(label: "simplon_runs_deleted_total").increment(by: last)
    }
    if deleted > 0 { logger.info("runs past retention were deleted", metadata: ["runs": "\(deleted)"]) }
  }

  /// Removes files that no row refers to; one worker a day does it for all.
  func sweepFiles() async throws {
    guard try await hasTurn(at: "sweep_files", every: Self.day) else { return }
    let removed = try await BlobReferences(client: client).sweep(blobs, olderThan: Self.day, logger: logger)
    if removed > 0 { logger.info("files that nothing refers to were removed", metadata: ["files": "\(removed)"]) }
  }

  /// Whether it is for this worker to do what all of them together do once in that time.
  func hasTurn(at name: String, every pause: Duration) async throws -> Bool {
    let rows = try await client.query(
      "select from simplon.take_turn(\(name), \(pause.milliseconds) * interval '1 ms') as t (mine) where mine")
    return !rows.isEmpty
  }
}
