import FoundationEssentials
import SimplonCore
import SimplonPostgres

/// The SQL of runs that the steps of other runs make.
extension HeldRunStore {
  /// Makes the run of a step of a held run, or finds the one that the step has made in this attempt.
  ///
  /// - Throws: `run.stale` when the run is held by another; `run.limit` where its tree is too deep or it has made too many.
  func createChild(of claim: ClaimedRun, step: String, _ request: JSON) async throws -> ChildRun {
    let rows = try await client.query(
      """
      select run_id, status, result, error from simplon.create_child(
        \(claim.held.id), \(Int32(claim.held.epoch)), \(Int32(claim.attempt)), \(step), \(request),
        \(Int32(AgentSchema.engineVersion)))
      """)
    return try ChildRun(row: rows.one(from: "simplon.create_child"))
  }

  /// The run that a step has made in this attempt; nil when it has made none.
  func child(of claim: ClaimedRun, step: String) async throws -> ChildRun? {
    try await client.query(
      """
      select id, status::text, result, error from agent_runs
      where parent_id = \(claim.held.id) and parent_attempt = \(Int32(claim.attempt)) and parent_step = \(step)
      """
    ).first.map(ChildRun.init(row:))
  }

  /// A saved workflow of a run's owner as it is now; nil when there is none.
  func workflow(_ name: String, of owner: UUID?) async throws -> SavedWorkflow? {
    let rows = try await client.query(
      "select plan, inputs from workflows where user_id is not distinct from \(owner) and name = \(name)")
    guard let row = rows.first else { return nil }
    let (plan, inputs) = try row.decode(JSON.self, JSON.self)
    return SavedWorkflow(plan: plan, inputs: inputs)
  }

  /// How a run stands now; nil when it has been deleted.
  func child(_ id: UUID) async throws -> ChildRun? {
    try await client.query("select id, status::text, result, error from agent_runs where id = \(id)").first.map(
      ChildRun.init(row:))
  }

  /// The files that a run has kept.
  func keptFiles(of run: UUID) async throws -> [(path: LayerPath, blob: Blob)] {
    try await client.query(
      """
      select a.path, a.sha256, a.size from agent_artifacts a join agent_runs r on r.id = a.run_id and r.attempt = a.attempt
      where a.run_id = \(run) order by a.path
      """
    ).map { row -> (path: LayerPath, blob: Blob) in
      let (path, hash, size) = try row.decode(String.self, String.self, Int64.self)
      return (try LayerPath(path), Blob(sha256: hash, size: Int(size)))
    }
  }

  /// Queues the run when a run that it waits for has ended; tells whether it did.
  func wake(_ run: UUID) async throws -> Bool {
    try await !client.query("select simplon.wake_parents(\([run]))").isEmpty
  }
}

/// A run that a step has made.
struct ChildRun: Sendable {
  let id: UUID
  let status: String
  let result: JSON?
  let error: JSON?

  var isOver: Bool { ["completed", "failed", "cancelled"].contains(status) }
}

extension ChildRun {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    (id, status, result, error) = try row.decode(UUID.self, String.self, JSON?.self, JSON?.self)
  }
}
