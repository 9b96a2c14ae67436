import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct SettlerTests {
  private typealias Outcome = Result<Int64, any Error>

  /// One write, as a run's loop sends it.
  private struct Write {
    let name: String
    let claim: ClaimedRun
    var epoch: Int?
    var turn = RunTurn(events: [RunEvent(kind: "log", payload: [:])])
    var lease = Lease()

    var entry: Settler.Entry {
      Settler.Entry(
        run: HeldRun(id: claim.held.id, epoch: epoch ?? claim.held.epoch), attempt: 1, base: claim.nextSeq, turn: turn,
        lease: lease)
    }
  }

  /// Sends these writes so that they travel in one batch.
  private func inOneBatch(
    _ engine: Engine, _ others: [ClaimedRun], _ writes: [Write]
  ) async throws -> [String: Outcome] {
    let settler = Settler(store: engine.heldRuns, logger: engine.logger)
    return try await withThrowingTaskGroup(of: (String, Outcome).self) { group in
      func start(_ write: Write) {
        let (name, entry) = (write.name, write.entry)
        group.addTask {
          do { return (name, .success(try await settler.write(entry))) } catch { return (name, .failure(error)) }
        }
      }
      // Both of the settler's hands are full meanwhile.
      try await engine.withLocked(others.map(\.held.id)) {
        for other in others { start(Write(name: "other", claim: other)) }
        while await settler.underWay < others.count { await Task.yield() }
        for write in writes { start(write) }
        while await settler.gathered < writes.count { await Task.yield() }
      }
      var outcomes = [String: Outcome]()
      for try await (name, outcome) in group { outcomes[name] = outcome }
      return outcomes
    }
  }

  private func claims(_ count: Int, of engine: Engine) async throws -> [ClaimedRun] {
    for _ in 0..<count { _ = try await engine.create([["id": "a", "tool": "noop"]]) }
    return try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: count)
  }

  @Test func `one run's bad value does not hold up the batch it travels in`() async throws {
    try await Engine.with { engine in
      let claims = try await claims(4, of: engine)
      let wrong = RunTurn(events: [RunEvent(kind: "no such kind", payload: [:])])
      let outcomes = try await inOneBatch(
        engine, Array(claims[..<2]),
        [Write(name: "bad", claim: claims[2], turn: wrong), Write(name: "good", claim: claims[3])])
      #expect(throws: SimplonError.self) { try outcomes["bad"]?.get() }
      #expect(try outcomes["good"]?.get() == claims[3].nextSeq + 1)
    }
  }

  @Test func `what was written is answered once when asking about the rest fails`() async throws {
    try await Engine.with { engine in
      let claims = try await claims(4, of: engine)
      // Whether the stale one was lost cannot be found out.
      try await engine.database.execute("revoke select on simplon.run_state from service_role")
      let outcomes = try await inOneBatch(
        engine, Array(claims[..<2]),
        [Write(name: "good", claim: claims[2]), Write(name: "stale", claim: claims[3], epoch: 7)])
      #expect(try outcomes["good"]?.get() == claims[2].nextSeq + 1)
      let error = #expect(throws: SimplonError.self) { try outcomes["stale"]?.get() }
      #expect(error?.code == .databasePermission)
    }
  }

  @Test func `who has lost a run is not told that what its new holder wrote was done`() async throws {
    try await Engine.with { engine in
      var claims = try await claims(3, of: engine)
      let lost = claims.removeLast()
      // Its lease ran out, and the same worker took it up again.
      try await engine.database.execute(
        """
        update simplon.run_state set lease_until = now() - interval '1 second' where run_id = '\(lost.held.id)';
        select simplon.recover_runs()
        """)
      let again = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(30), slots: 1).first)
      #expect(again.held.id == lost.held.id && again.held.epoch > lost.held.epoch)
      let outcomes = try await inOneBatch(
        engine, claims, [Write(name: "stale", claim: lost), Write(name: "holder", claim: again)])
      #expect(try outcomes["holder"]?.get() == again.nextSeq + 1)
      let error = #expect(throws: SimplonError.self) { try outcomes["stale"]?.get() }
      #expect(error?.code == .runStale)
    }
  }

  @Test(arguments: [true, false])
  func `a batch is bounded by its bytes, whatever they are in`(_ asResult: Bool) async throws {
    try await Engine.with { engine in
      let claims = try await claims(5, of: engine)
      let large = JSON.string(String(repeating: "x", count: 5 << 20))
      let turn =
        asResult
        ? RunTurn(outcome: .completed(result: large)) : RunTurn(events: [RunEvent(kind: "step", payload: ["x": large])])
      let outcomes = try await inOneBatch(
        engine, Array(claims[..<2]),
        claims[2...].enumerated().map { Write(name: "\($0)", claim: $1, turn: turn) })
      for outcome in outcomes.values { _ = try outcome.get() }
      let ids = claims[2...].map { "'\($0.held.id)'" }.joined(separator: ",")
      // The third finds 10 MiB before it.
      let commits = try await engine.database.execute(
        "select count(distinct xmin::text) from simplon.run_state where run_id in (\(ids))")
      #expect(commits == ["2"])
    }
  }

  @Test func `only what PostgreSQL says of the values themselves is final`() {
    let final = SimplonError.Code.all.filter { SimplonError($0, "").isFinal }
    #expect(
      Set(final) == [.databaseConstraint, .databaseQuery, .databaseDecoding, .requestInvalid, .requestTooLarge])
  }

  @Test func `heartbeats and writes over the same runs never wait in a circle`() async throws {
    try await Engine.with { engine in
      let worker = UUID()
      for _ in 0..<16 { _ = try await engine.create([["id": "a", "tool": "noop"]]) }
      let claims = try await engine.queue.claim(worker: worker, lease: .seconds(30), slots: 16)
      let ids = claims.map(\.held.id)
      let report = WorkerReport(
        id: worker, name: "test", version: "0", slots: 16, running: 16, sandbox: "none", draining: false)
      try await withThrowingTaskGroup { group in
        group.addTask {
          for turn in 0..<60 {
            let order = turn.isMultiple(of: 2) ? claims : claims.reversed()
            let written = try await engine.heldRuns.write(
              order.map { claim in
                Settler.Entry(
                  run: claim.held, attempt: 1, base: claim.nextSeq + Int64(turn),
                  turn: RunTurn(events: [RunEvent(kind: "log", payload: [:])]), lease: Lease())
              })
            #expect(written.count == claims.count)
          }
        }
        for order in [ids, ids.reversed()] {
          group.addTask {
            for _ in 0..<60 {
              let answer = try await engine.queue.renew(order, report, lease: .seconds(30))
              #expect(answer.held.count == ids.count)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
