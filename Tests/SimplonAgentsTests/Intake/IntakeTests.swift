import Foundation
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct IntakeTests {
  private let alice = UUID()
  private let bob = UUID()
  private let carol = UUID()

  private func make(_ intake: Intake, _ user: UUID?, queued: Bool = true) async throws {
    _ = try await intake.admit(user, isQueued: { (_: Int) in queued }) { 0 }
  }

  @Test func `a user with too many runs queued is refused for a while, and others are not`() async throws {
    let intake = Intake(limits: IntakeLimits(perUser: 5)) { part, _ in part == .of(nil) ? 5 : 2 }
    for _ in 0..<3 { try await make(intake, alice) }
    let error = await #expect(throws: SimplonError.self) { try await make(intake, alice) }
    #expect(error?.code == .runQueueFull)
    #expect(error?.details == ["limit": 5])
    guard case .after(let wait)? = error?.retry else {
      Issue.record("no time to wait")
      return
    }
    #expect(wait >= .seconds(1) && wait < .seconds(3))
    try await make(intake, bob)
    await #expect(throws: SimplonError.self) { try await make(intake, nil) }
  }

  @Test func `all together have a limit too`() async throws {
    let intake = Intake(limits: IntakeLimits(total: 2)) { _, _ in 0 }
    try await make(intake, alice)
    try await make(intake, bob)
    let error = await #expect(throws: SimplonError.self) { try await make(intake, UUID()) }
    #expect(error?.code == .runQueueFull)
  }

  @Test func `what did not come into the queue takes no place`() async throws {
    let intake = Intake(limits: IntakeLimits(perUser: 1, total: 1)) { _, _ in 0 }
    for _ in 0..<5 { try await make(intake, alice, queued: false) }
    for _ in 0..<5 {
      await #expect(throws: SimplonError.self) {
        try await intake.admit(alice, isQueued: { (_: Int) in true }) { throw SimplonError(.databaseBusy, "no") }
      }
    }
    try await make(intake, alice)
    await #expect(throws: SimplonError.self) { try await make(intake, alice) }
  }

  @Test func `the queue is not counted for each run`() async throws {
    let counts = Mutex(0)
    let intake = Intake(limits: IntakeLimits(perUser: 1000)) { _, _ in
      counts.withLock { $0 += 1 }
      return 1
    }
    for _ in 0..<500 { try await make(intake, alice) }
    // Once, and once more for each second that a slow machine takes.
    #expect(counts.withLock { $0 } < 100)
  }

  @Test func `as many as come at once pass no limit`() async throws {
    let intake = Intake(limits: IntakeLimits(perUser: 5)) { _, _ in
      await Task.yield()
      return 0
    }
    let made = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<100 {
        group.addTask { (try? await make(intake, alice)) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(made == 5)
  }

  @Test func `when runs of half of the users take too long to make, no more are taken until they are made`()
    async throws
  {
    let intake = Intake(limits: IntakeLimits(patience: .zero)) { _, _ in 0 }
    // A few may wait for something of their own.
    let slow = [alice, bob, UUID(), UUID()]
    func pile(_ others: ArraySlice<UUID>) async throws {
      guard let user = others.first else {
        let error = await #expect(throws: SimplonError.self) { try await make(intake, carol) }
        #expect(error?.code == .serverOverloaded)
        return
      }
      try await make(intake, carol)
      _ = try await intake.admit(user, isQueued: { (_: Int) in true }) {
        try await pile(others.dropFirst())
        return 0
      }
    }
    try await pile(slow[...])
    try await make(intake, carol)
  }

  @Test func `who makes runs slow refuses none but his own`() async throws {
    let intake = Intake(limits: IntakeLimits(patience: .zero)) { _, _ in 0 }
    _ = try await intake.admit(alice, isQueued: { (_: Int) in true }) {
      _ = try await intake.admit(alice, isQueued: { (_: Int) in true }) {
        let error = await #expect(throws: SimplonError.self) { try await make(intake, alice) }
        #expect(error?.code == .serverOverloaded)
        try await make(intake, bob)
        return 0
      }
      return 0
    }
  }

  @Test func `a queue that is full refuses a user's run, and takes it when there is room`() async throws {
    try await Engine.with { engine in
      let runs = Runs(
        callers: engine.callers, engine: engine.client, statementTimeout: .seconds(10), tools: engine.tools.catalog,
        blobs: engine.tools.blobs, wakeUp: engine.wakeUp, intake: IntakeLimits(perUser: 2))
      let request = try CreateRun(json: ["plan": ["steps": [["id": "a", "tool": "noop"]]]])
      for _ in 0..<2 { _ = try await runs.create(request, idempotencyKey: nil, as: Engine.alice) }
      let error = await #expect(throws: SimplonError.self) {
        try await runs.create(request, idempotencyKey: nil, as: Engine.alice)
      }
      #expect(error?.code == .runQueueFull)
      _ = try await runs.create(request, idempotencyKey: nil, as: Engine.bob)
      _ = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 8)
      // It is counted again after a second.
      while (try? await runs.create(request, idempotencyKey: nil, as: Engine.alice)) == nil { await Task.yield() }
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["4"])
    }
  }
}
