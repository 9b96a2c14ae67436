import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The engine's SQL, run as `service_role`.
///
/// No caller's value chooses its text.
struct QueueStore: Sendable {
  let client: PostgresClient

  // MARK: Claims and leases

  func claim(worker: UUID, lease: Duration, slots: Int) async throws -> [ClaimedRun] {
    try await client.query(
      """
      select run_id, epoch, next_seq, attempt, user_id, prompt is not null, plan, workflow, metadata
      from simplon.claim_runs(\(worker), \(Int32(AgentSchema.engineVersion)), \(interval(lease))::interval, \(Int32(slots)))
      """
    ).map(ClaimedRun.init(row:))
  }

  /// Renews the leases of these runs and says that the worker lives; gives what it still holds, and how many runs are
  /// ready to be claimed (counted to 10,000) and for how many seconds the first of them has been.
  func renew(
    _ runs: [UUID], _ report: WorkerReport, lease: Duration
  ) async throws -> (held: Set<HeldRun>, ready: Int, oldest: Double) {
    let answers = try await client.transaction([
      "select run_id, epoch from simplon.renew_leases(\(report.id), \(runs), \(interval(lease))::interval)",
      """
      select simplon.report_worker(\(report.id), \(report.name), \(report.version), \(Int32(AgentSchema.engineVersion)),
        \(Int32(report.slots)), \(Int32(report.running)), \(report.sandbox), \(report.draining),
        \(interval(lease))::interval)
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

  func recover() async throws -> [UUID] {
    try await client.query("select run_id from simplon.recover_runs() as r (run_id)").map { row in
      try row.decode(UUID.self)
    }
  }

  /// What an earlier holder left of the attempt.
  func steps(of run: UUID, attempt: Int) async throws -> [StepRecord] {
    try await client.query(
      """
      select step_id, status, output, error, failures, layer,
        coalesce(extract(epoch from retry_at - clock_timestamp()) * 1000, 0)::bigint
      from agent_steps where run_id = \(run) and attempt = \(Int32(attempt))
      """
    ).map(StepRecord.init(row:))
  }

  // MARK: Fenced writes

  /// Writes a batch; gives the runs that were written with their next numbers.
  ///
  /// What is left out is held by another by now, or had been written by an earlier try.
  func write(_ batch: [Settler.Entry]) async throws -> [UUID: Int64] {
    if let entry = batch.first, batch.count == 1, entry.isBulk { return try await append(entry) }
    let rows = try await client.query(
      "select run_id, next_seq from simplon.settle_steps(\(JSON.array(batch.map(\.json))))")
    var written = [UUID: Int64]()
    for row in rows {
      let (run, next) = try row.decode(UUID.self, Int64.self)
      written[run] = next
    }
    return written
  }

  private func append(_ entry: Settler.Entry) async throws -> [UUID: Int64] {
    let events = entry.turn.events
    do {
      let rows = try await client.query(
        """
        select simplon.append_events(\(entry.run.id), \(Int32(entry.run.epoch)), \(entry.base), \(events.map(\.level)),
          \(events.map(\.kind)), \(events.map(\.payload)))
        """)
      return try rows.first.map { [entry.run.id: try $0.decode(Int64.self)] } ?? [:]
    } catch let error as SimplonError where error.code == .runStale {
      return [:]
    }
  }

  /// Epoch and next number of runs, to tell a lost lease from a write that had arrived.
  func positions(of runs: [UUID]) async throws -> [UUID: (epoch: Int, next: Int64)] {
    let rows = try await client.query(
      "select run_id, epoch, next_seq from simplon.run_state where run_id = any(\(runs))")
    var positions = [UUID: (epoch: Int, next: Int64)]()
    for row in rows {
      let (run, epoch, next) = try row.decode(UUID.self, Int32.self, Int64.self)
      positions[run] = (Int(epoch), next)
    }
    return positions
  }

  // MARK: Streams

  /// Events above each run's mark, in order, at most `limit` a run.
  func events(above marks: [UUID: Int64], limit: Int) async throws -> [UUID: [StoredEvent]] {
    let runs = Array(marks.keys)
    let rows = try await client.query(
      """
      select m.run_id, l.seq, to_json(l.at) #>> '{}', l.level, l.kind, l.payload::text
      from unnest(\(runs), \(runs.map { marks[$0] ?? 0 })) as m (run_id, seq)
      join simplon.run_state s on s.run_id = m.run_id and s.next_seq - 1 > m.seq
      cross join lateral (
        select * from agent_task_logs a where a.run_id = m.run_id and a.seq > m.seq order by a.seq limit \(limit)) l
      order by 1, 2
      """)
    var events = [UUID: [StoredEvent]]()
    for row in rows {
      let (run, seq, at, level, kind, payload) = try row.decode(
        UUID.self, Int64.self, String.self, String.self, String.self, String.self)
      events[run, default: []].append(StoredEvent(seq: seq, at: at, level: level, kind: kind, payload: payload))
    }
    return events
  }

  func streamStart(of run: UUID) async throws -> StreamStart? {
    let rows = try await client.query(
      """
      select s.next_seq - 1, r.completed_at is not null,
        coalesce((select min(l.seq) from agent_task_logs l where l.run_id = s.run_id), s.next_seq)
      from simplon.run_state s join agent_runs r on r.id = s.run_id where s.run_id = \(run)
      """)
    guard let row = rows.first else { return nil }
    let (last, finished, oldest) = try row.decode(Int64.self, Bool.self, Int64.self)
    return StreamStart(lastSeq: last, finished: finished, oldestSeq: oldest)
  }

  func redeemTicket(hash: [UInt8], run: UUID) async throws -> (claims: JSON, expiresAt: Int)? {
    let rows = try await client.query(
      """
      select claims, floor(extract(epoch from expires_at))::bigint from simplon.redeem_ticket(\(hash), \(run))
      """)
    guard let row = rows.first else { return nil }
    let (claims, expires) = try row.decode(JSON.self, Int64.self)
    return (claims, Int(expires))
  }

  // MARK: Upkeep

  /// Makes partitions ahead, drops those past retention, clears dead rows.
  func maintain(retention: Duration?) async throws {
    _ = try await client.query("select simplon.make_log_partitions()")
    _ = try await client.query("select simplon.sweep()")
    if let retention {
      _ = try await client.query("select simplon.drop_log_partitions(\(interval(retention))::interval)")
    }
  }

  /// Whether the caller is the one to do a thing that all workers together do once in a while.
  func takeTurn(at name: String, every interval: Duration) async throws -> Bool {
    try await !client.query(
      "select from simplon.take_turn(\(name), \(self.interval(interval))::interval) as t (mine) where mine"
    ).isEmpty
  }

  /// Records a fact about this database once; gives the one that stands.
  func settle(setting name: String, to value: String) async throws -> String {
    let rows = try await client.query("select simplon.settle_setting(\(name), \(value))")
    return try rows.first?.decode(String.self) ?? value
  }

  private func interval(_ duration: Duration) -> String { "\(duration.milliseconds) milliseconds" }
}

extension HeldRun {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (run, epoch) = try row.decode(UUID.self, Int32.self)
    self.init(id: run, epoch: Int(epoch))
  }
}

extension ClaimedRun {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (run, epoch, next, attempt, user, hasPrompt, plan, workflow, metadata) = try row.decode(
      UUID.self, Int32.self, Int64.self, Int32.self, UUID?.self, Bool.self, PostgresJSONText?.self, String?.self,
      PostgresJSONText.self)
    self.init(
      held: HeldRun(id: run, epoch: Int(epoch)), nextSeq: next, attempt: Int(attempt), userID: user,
      hasPrompt: hasPrompt, plan: plan?.text, workflow: workflow, metadata: metadata.text)
  }
}

extension StepRecord {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (id, status, output, error, failures, layer, wait) = try row.decode(
      String.self, String.self, JSON?.self, JSON?.self, Int32.self, String?.self, Int64.self)
    self.init(
      id: id, status: StepStatus(rawValue: status) ?? .pending, output: output, error: error,
      failures: Int(failures), layerHash: layer, retryIn: .milliseconds(max(wait, 0)))
  }
}
