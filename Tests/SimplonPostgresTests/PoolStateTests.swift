import SimplonCore
import Testing

@testable import SimplonPostgres

/// Always the largest number, so that waits are whole and lifetimes a tenth shorter.
private struct Largest: RandomNumberGenerator {
  mutating func next() -> UInt64 { .max }
}

private let start = ContinuousClock().now
private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .milliseconds(Int(seconds * 1000)) }

private func machine(shared: Int = 1, exclusive: Int = 2) -> PoolState<Largest> {
  var state = PoolState(
    limits: .init(
      shared: shared, exclusive: exclusive, acquireTimeout: .seconds(5), maximumLifetime: .seconds(100),
      backoff: Backoff(base: .seconds(2), cap: .seconds(8))),
    generator: Largest())
  let first = state.start(at: at(0))
  precondition(first.count == shared)
  return state
}

@Suite struct PoolStateTests {
  @Test func `shared connections are made at the start`() {
    var state = PoolState(
      limits: .init(shared: 2, exclusive: 1, acquireTimeout: .seconds(5), maximumLifetime: .seconds(100)),
      generator: Largest())
    #expect(state.nextDeadline == nil)
    #expect(state.start(at: at(0)) == [.connect(1, .shared), .connect(2, .shared)])
    #expect(state.start(at: at(0)) == [])
    #expect(state.connected(2, at: at(1)) == [])
  }

  @Test func `exclusive connections are made when wanted and up to the limit`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    #expect(state.lease(waiter: 10, at: at(1)) == [.connect(2, .exclusive)])
    #expect(state.lease(waiter: 11, at: at(1)) == [.connect(3, .exclusive)])
    #expect(state.lease(waiter: 12, at: at(1)) == [])
    #expect(state.connected(3, at: at(2)) == [.grant(waiter: 10, connection: 3)])
    #expect(state.connected(2, at: at(2)) == [.grant(waiter: 11, connection: 2)])
    #expect(state.returned(3, at: at(3)) == [.grant(waiter: 12, connection: 3)])
    #expect(state.returned(2, at: at(3)) == [])
    #expect(state.lease(waiter: 13, at: at(4)) == [.grant(waiter: 13, connection: 2)])
  }

  @Test func `who waits too long is refused and told why`() {
    var state = machine(exclusive: 1)
    _ = state.connected(1, at: at(0))
    _ = state.lease(waiter: 10, at: at(0))
    _ = state.connected(2, at: at(0))
    _ = state.lease(waiter: 11, at: at(1))
    _ = state.lease(waiter: 12, at: at(2))
    #expect(state.nextDeadline == at(6))
    state.forget(waiter: 12)
    #expect(state.tick(at: at(5.9)) == [])
    #expect(state.tick(at: at(6)) == [.refuse(waiter: 11, .busy)])
    #expect(state.tick(at: at(50)) == [])
  }

  @Test func `a server that is away is asked again after growing waits`() {
    var state = machine(shared: 2)
    #expect(state.lost(1, at: at(1)) == [])
    #expect(state.lost(2, at: at(1)) == [])  // the same failure, not a second one
    #expect(state.refusal == .unreachable)
    #expect(state.nextDeadline == at(3))
    #expect(state.tick(at: at(2.9)) == [])
    #expect(state.tick(at: at(3)) == [.connect(3, .shared), .connect(4, .shared)])
    #expect(state.lost(3, at: at(3)) == [])
    #expect(state.nextDeadline == at(7))
    #expect(state.connected(4, at: at(4)) == [.connect(5, .shared)])
    #expect(state.refusal == .busy)
    _ = state.lost(4, at: at(20))
    #expect(state.refusal == .unreachable)
  }

  @Test func `a lost connection is replaced at once but not in circles`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    #expect(state.lost(1, at: at(10)) == [.connect(2, .shared)])
    _ = state.connected(2, at: at(10))
    #expect(state.lost(2, at: at(10.1)) == [])
    #expect(state.nextDeadline == at(12.1))
    #expect(state.tick(at: at(12.1)) == [.connect(3, .shared)])
  }

  @Test func `a connection that we closed is no failure of the server`() {
    var state = machine(exclusive: 1)
    _ = state.connected(1, at: at(0))
    _ = state.lease(waiter: 10, at: at(0))
    _ = state.connected(2, at: at(0))
    _ = state.lease(waiter: 11, at: at(0))
    #expect(state.discarded(2, at: at(0.1)) == [.connect(3, .exclusive)])
    #expect(state.refusal == .busy)
  }

  @Test func `an old connection is replaced when it is idle`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    _ = state.lease(waiter: 10, at: at(0))
    _ = state.connected(2, at: at(0))
    #expect(state.tick(at: at(89)) == [])
    #expect(state.tick(at: at(90)) == [.retire(1), .connect(3, .shared)])
    #expect(state.tick(at: at(101)) == [])
    #expect(state.connected(3, at: at(101)) == [])
    #expect(state.drained(1, at: at(102)) == [.close(1)])
    #expect(state.returned(2, at: at(103)) == [.close(2)])
    #expect(state.returned(2, at: at(103)) == [])
  }

  @Test func `late events of an older connection change nothing`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    _ = state.lost(1, at: at(10))
    #expect(state.lost(1, at: at(10)) == [])
    #expect(state.connected(1, at: at(10)) == [.close(1)])
    #expect(state.drained(1, at: at(10)) == [])
    #expect(state.returned(1, at: at(10)) == [])
  }

  @Test func `a listener keeps its connection until it leaves`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    #expect(state.listen(7, at: at(0)) == [.connect(2, .listener(7))])
    _ = state.connected(2, at: at(0))
    #expect(state.tick(at: at(200)) == [.retire(1), .connect(3, .shared)])
    #expect(state.lost(2, at: at(201)) == [.connect(4, .listener(7))])
    _ = state.connected(4, at: at(201))
    #expect(state.unlisten(7) == [.close(4)])
    #expect(state.lost(4, at: at(202)) == [])
  }

  @Test func `a stop lets work finish and takes no more`() {
    var state = machine()
    _ = state.connected(1, at: at(0))
    _ = state.lease(waiter: 10, at: at(0))
    _ = state.connected(2, at: at(0))
    _ = state.lease(waiter: 11, at: at(0))
    #expect(state.stop() == [.refuse(waiter: 11, .stopped), .retire(1)])
    #expect(!state.takesWork && !state.isStopped)
    #expect(state.lease(waiter: 12, at: at(1)) == [.refuse(waiter: 12, .stopped)])
    #expect(state.drained(1, at: at(1)) == [.close(1)])
    #expect(state.connected(3, at: at(1)) == [.close(3)])
    #expect(state.returned(2, at: at(2)) == [.close(2)])
    #expect(state.isStopped)
  }
}
