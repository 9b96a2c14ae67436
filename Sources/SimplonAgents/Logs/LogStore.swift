import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The SQL of streams, run as `service_role`: who may follow a run was asked before.
struct LogStore: Sendable {
  let client: PostgresClient

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

  /// Where a stream of the run can begin.
  ///
  /// - Throws: `run.not_found`.
  func start(of run: UUID) async throws -> StreamStart {
    let rows = try await client.query(
      """
      select s.next_seq - 1, r.completed_at is not null,
        coalesce((select min(l.seq) from agent_task_logs l where l.run_id = s.run_id), s.next_seq)
      from simplon.run_state s join agent_runs r on r.id = s.run_id where s.run_id = \(run)
      """)
    guard let row = rows.first else { throw SimplonError.noRun(run) }
    let (last, finished, oldest) = try row.decode(Int64.self, Bool.self, Int64.self)
    return StreamStart(lastSeq: last, finished: finished, oldestSeq: oldest)
  }
}

/// Where a stream can begin.
struct StreamStart: Sendable {
  /// The number of the run's last event so far.
  let lastSeq: Int64
  /// Whether the run has ended, so that no event will follow the last one.
  let finished: Bool
  /// The number of the oldest event that is still kept.
  let oldestSeq: Int64

  /// Refuses a position below retention.
  ///
  /// - Throws: `run.logs_expired`.
  func refuseExpired(_ after: Int64) throws(SimplonError) {
    guard after < lastSeq, after < oldestSeq - 1 else { return }
    throw SimplonError(
      .runLogsExpired, "events before number \(oldestSeq) are no longer kept",
      hint: "Begin after \(oldestSeq - 1).", details: ["oldest_seq": .integer(oldestSeq)])
  }
}
