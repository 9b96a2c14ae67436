import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The SQL of claims and leases, run as `service_role`.
///
/// No caller's value chooses its text.
struct QueueStore: Sendable {
  let client: PostgresClient

  /// Takes up to that many runs whose time has come, and fewer when they are large.
  func claim(worker: UUID, lease: Duration, slots: Int) async throws -> [ClaimedRun] {
    try await client.query(
      """
      select run_id, epoch, next_seq, attempt, user_id, prompt, tools, connectors, model, plan, workflow, metadata
      from simplon.claim_runs(
        \(worker), \(Int32(AgentSchema.engineVersion)), \(lease.milliseconds) * interval '1 ms', \(Int32(slots)))
      """
    ).map(ClaimedRun.init(row:))
  }

  /// Whether there may be more to claim: all slots were taken, or the runs are so large that others may have been left.
  ///
  /// A run is left when it would bring a claim above 16 MiB, and has less than 10 MiB itself.
  static func mayHaveLeft(_ claims: [ClaimedRun], slots: Int) -> Bool {
    claims.count >= slots || claims.reduce(0) { $0 + $1.size } > 6 << 20
  }

  /// Says how many runs of one user, and of all, may be at work at once, with whichever worker.
  func setCaps(perUser: Int?, total: Int?) async throws {
    let perUser = perUser.map { Int32(clamping: $0) }
    let total = total.map { Int32(clamping: $0) }
    _ = try await client.query("select simplon.set_run_caps(\(perUser), \(total))")
  }

  /// Adds to what users have used of late; nil is the service.
  func charge(_ use: [UUID?: Double]) async throws {
    let users = use.map { $0.key }
    let units = use.map { $0.value }
    _ = try await client.query("select simplon.charge_use(\(users), \(units))")
  }

  /// Renews the leases of these runs and says that the worker lives; gives what it still holds, and how many runs are
  /// ready to be claimed (counted to 10,000) and for how many seconds the first of them has been.
  func renew(
    _ runs: [UUID], _ report: WorkerReport, lease: Duration
  ) async throws -> (held: Set<HeldRun>, ready: Int, oldest: Double) {
    let answers = try await client.transaction([
      "select run_id, epoch from simplon.renew_leases(\(report.id), \(runs), \(lease.milliseconds) * interval '1 ms')",
      """
      select simplon.report_worker(\(report.id), \(report.name), \(report.version), \(Int32(AgentSchema.engineVersion)),
        \(Int32(report.slots)), \(Int32(report.running)), \(report.sandbox), \(report.draining),
        \(lease.milliseconds) * interval '1 ms')
      """,
      """
      select count(*), coalesce(extract(epoch from now() - min(ready_at)), 0)::float8 from (
        select ready_at from agent_task_queue where ready_at <= now() order by priority desc, ready_at limit 10000) q
      """,
    ])
    let held = try Set((answers.first.map { Array($0) } ?? []).map(HeldRun.init(row:)))
    let (ready, oldest) = try answers.last?.first?.decode(Int64.self, Double.self) ?? (Int64(0), 0.0)
    return (held, Int(ready), oldest)
  }

  /// Says that the worker has ended.
  func retire(_ worker: UUID) async throws {
    _ = try await client.query("select simplon.retire_worker(\(worker))")
  }

  /// What the database says the worker holds.
  func held(by worker: UUID) async throws -> Set<HeldRun> {
    try Set(
      await client.query("select run_id, epoch from simplon.run_state where worker = \(worker)").map(HeldRun.init(row:))
    )
  }

  /// Which of these are held in their epochs, by whichever worker, with a lease that still runs.
  func leased(_ runs: [HeldRun]) async throws -> Set<HeldRun> {
    guard !runs.isEmpty else { return [] }
    return try Set(
      await client.query(
        """
        select run_id, epoch from simplon.run_state
        where run_id = any(\(runs.map(\.id))) and worker is not null and lease_until > clock_timestamp()
        """
      ).map(HeldRun.init(row:)))
  }

  /// Queues up to a thousand runs that waited for one of these models, or for any; gives them.
  func queuePrompts(for models: [String]) async throws -> [UUID] {
    let reason = SimplonError.Code.modelNotConfigured.rawValue
    return try await client.ids("select run_id from simplon.queue_waiting(\(reason), \(models)) as r (run_id)")
  }

  /// Queues the runs that wait for a run which has ended, where its end has not done so; gives them.
  func wakeParents() async throws -> [UUID] {
    try await client.ids("select run_id from simplon.wake_waiting_parents() as r (run_id)")
  }

  /// Queues the runs whose worker let its lease run out; gives them.
  func recover() async throws -> [UUID] {
    try await client.ids("select run_id from simplon.recover_runs() as r (run_id)")
  }
}

extension HeldRun {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (run, epoch) = try row.decode(UUID.self, Int32.self)
    self.init(id: run, epoch: Int(epoch))
  }
}

extension ClaimedRun {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (run, epoch, next, attempt, user, prompt, tools, connectors, model, plan, workflow, metadata) = try row.decode(
      UUID.self, Int32.self, Int64.self, Int32.self, UUID?.self, String?.self, [String]?.self, [String]?.self,
      String?.self, PostgresJSONText?.self, String?.self, PostgresJSONText.self)
    self.init(
      held: HeldRun(id: run, epoch: Int(epoch)), nextSeq: next, attempt: Int(attempt), userID: user,
      prompt: prompt, tools: tools, connectors: connectors, model: model, plan: plan?.text, workflow: workflow,
      metadata: metadata.text)
  }
}
