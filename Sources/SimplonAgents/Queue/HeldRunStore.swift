import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The SQL of runs that a worker holds: the fenced writes, and what an earlier holder has left.
///
/// It runs as `service_role`; no caller's value chooses its text.
struct HeldRunStore: Sendable {
  let client: PostgresClient

  /// What an earlier holder left of the attempt.
  func steps(of run: UUID, attempt: Int) async throws -> [StepRecord] {
    try await client.query(
      """
      select s.step_id, s.status, coalesce(s.output, (
          select o.output from agent_steps o
          where o.run_id = s.origin_run and o.attempt = s.origin_attempt and o.step_id = s.step_id)),
        s.error, s.failures, s.layer, (extract(epoch from s.retry_at - clock_timestamp()) * 1000)::bigint,
        s.effect, s.response
      from agent_steps s where s.run_id = \(run) and s.attempt = \(Int32(attempt))
      """
    ).map(StepRecord.init(row:))
  }

  /// What has been said to the attempt's open questions, by step; those whose time is over are closed by it.
  func responses(of run: UUID, attempt: Int) async throws -> [String: PersonResponse] {
    let rows = try await client.query(
      "select step_id, response from simplon.hear_responses(\(run), \(Int32(attempt)))")
    var responses = [String: PersonResponse]()
    for row in rows {
      let (step, response) = try row.decode(String.self, JSON.self)
      responses[step] = PersonResponse(json: response)
    }
    return responses
  }

  /// The attempt's transcript as an earlier holder left it.
  func messages(of run: UUID, attempt: Int) async throws -> [RunMessage] {
    try await client.query(
      """
      select m.position, m.role, m.content, coalesce(m.raw, (
          select o.raw from agent_messages o
          where o.run_id = m.origin_run and o.attempt = m.origin_attempt and o.position = m.position))
      from agent_messages m where m.run_id = \(run) and m.attempt = \(Int32(attempt)) order by m.position
      """
    ).map { row in
      let (position, role, content, raw) = try row.decode(Int32.self, String.self, JSON.self, [UInt8]?.self)
      guard let role = RunMessage.Role(rawValue: role) else {
        throw SimplonError(.databaseDecoding, "the transcript has a message of another version")
      }
      return RunMessage(position: Int(position), role: role, content: content, raw: raw)
    }
  }

  /// Writes a batch; gives the runs that were written with their next numbers.
  ///
  /// What is left out is held by another by now, or had been written by an earlier try.
  func write(_ batch: [Settler.Entry]) async throws -> [UUID: Int64] {
    if let entry = batch.first, batch.count == 1, entry.isBulk { return try await append(entry) }
    var queries: [PostgresQuery] = [
      "select run_id, next_seq from simplon.settle_steps(\(JSON.array(batch.map(\.json))))"
    ]
    let bills = batch.filter { !$0.turn.bills.isEmpty }.map(\.bill)
    // In the same transaction, and only where models were asked.
    if !bills.isEmpty {
      queries.append(
        """
        select model, basis, input, cache_read, cache_write, cache_write_hour, output, cost
        from simplon.settle_model_calls(\(JSON.array(bills)))
        """)
    }
    // Alone, as rows of spending are then locked in one order by all.
    let reservation = batch.count == 1 ? batch[0].turn.reservation : nil
    if let reservation {
      queries.append("select simplon.reserve_model_call(\(reservation.request), \(reservation.caps), is_try => true)")
    }
    let answers = try await client.transaction(queries)
    var written = [UUID: Int64]()
    for row in answers[0] {
      let (run, next) = try row.decode(UUID.self, Int64.self)
      written[run] = next
    }
    if !bills.isEmpty { ModelMetrics.count(answers[1]) }
    if let reservation, try answers[answers.count - 1].first?.decode(Bool.self) == true { reservation.made() }
    return written
  }

  private func append(_ entry: Settler.Entry) async throws -> [UUID: Int64] {
    let lines = entry.turn.lines
    do {
      let rows = try await client.query(
        """
        select simplon.append_lines(\(entry.run.id), \(Int32(entry.run.epoch)), \(entry.base), \(lines.map(\.line.level)),
          \(lines.map(\.stepID)), \(lines.map(\.line.stream)), \(lines.map(\.line.text)), \(lines.map(\.line.damaged)))
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
}

extension StepRecord {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    let (id, status, output, error, failures, layer, wait, effect, response) = try row.decode(
      String.self, String.self, JSON?.self, JSON?.self, Int32.self, String?.self, Int64?.self, String.self,
      JSON?.self)
    self.init(
      id: id, status: StepStatus(rawValue: status) ?? .pending, output: output, error: error,
      failures: Int(failures), layerHash: layer, retryIn: wait.map { .milliseconds(max($0, 0)) }, effect: effect,
      response: response)
  }
}
