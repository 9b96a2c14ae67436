import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The SQL of the ledger and the caps, as workers need it.
struct LedgerStore: Sendable {
  let client: PostgresClient
  let caps: SpendingCaps

  /// A question as `simplon.reserve_model_call` takes it.
  ///
  /// - Parameters:
  ///   - id: the reservation's.
  ///   - run: for which.
  ///   - attempt: of the run.
  ///   - stepID: the step that asks.
  ///   - model: who is asked.
  ///   - tokens: those of the input, about, and the most of the output.
  ///   - unbilled: the step's requests so far that cost nothing, whose reservations end with this one's beginning.
  /// - Returns: the question.
  static func reservation(
    _ id: UUID, for run: HeldRun, attempt: Int, stepID: String, model: ModelName, tokens: (input: Int, output: Int),
    unbilled: [ModelCallEnd] = []
  ) -> JSON {
    [
      "id": .string(id.uuidString), "run_id": .string(run.id.uuidString), "epoch": .integer(run.epoch),
      "attempt": .integer(attempt), "step_id": .string(stepID), "model": .string(model.description),
      "input": .integer(tokens.input), "output": .integer(tokens.output),
      "unbilled": .array(unbilled.map { .string($0.id.uuidString) }),
    ]
  }

  /// Reserves what a question may cost at most; the same again is the same reservation.
  ///
  /// - Throws: `run.budget` where a cap would be passed, and its `retry` says whether the run is to wait;
  ///   `model.no_price` under any cap; `run.stale`; `database.*`.
  func reserve(_ reservation: JSON) async throws {
    do {
      _ = try await client.query("select simplon.reserve_model_call(\(reservation), \(caps.json))")
    } catch let refusal as SimplonError where refusal.code == .runBudget {
      var error = refusal
      let passed = error.details?["detail"]?.string.flatMap { try? JSON(parsing: $0) }
      error.details = passed
      error.retry = passed?["on_limit"] == "wait" ? .backoff : .never
      error.hint = "Resume the run with a larger \"budget\", or wait until the cap allows more."
      throw error
    }
  }

  /// How far the run may go, by its budget.
  func limits(of run: UUID) async throws -> Supervisor.Limits {
    var limits = Supervisor.Limits()
    let rows = try await client.query(
      """
      select (budget ->> 'max_questions')::integer, (budget ->> 'max_steps')::integer from agent_runs where id = \(run)
      """)
    guard let (questions, steps) = try rows.first?.decode(Int32?.self, Int32?.self) else { return limits }
    if let questions { limits.questions = min(limits.questions, Int(questions)) }
    if let steps { limits.steps = min(limits.steps, Int(steps)) }
    return limits
  }

  /// Settles what lost workers had reserved, at what they had.
  func settleLost() async throws -> Int {
    try await Int(client.query("select simplon.settle_lost_calls()").first?.decode(Int32.self) ?? 0)
  }

  /// Ends the runs whose deadline has passed; gives them.
  func endOverdue() async throws -> [UUID] {
    try await client.ids("select run_id from simplon.end_overdue_runs() as r (run_id)")
  }

  /// Queues the runs that waited for their budget and may go on; gives them.
  func queueWithinCaps() async throws -> [UUID] {
    try await client.ids("select run_id from simplon.queue_within_caps(\(caps.json)) as r (run_id)")
  }
}
