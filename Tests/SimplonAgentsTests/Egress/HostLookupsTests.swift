import Dispatch
import FoundationEssentials
import SimplonCore
import Synchronization
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct HostLookupsTests {
  @Test func `whose names hang fills a share of the lookups, and the others' names are answered`() async throws {
    let (alice, bob) = (UUID(), UUID())
    let gate = DispatchSemaphore(value: 0)
    let home = try #require(NetworkAddress("127.0.0.1"))
    let lookups = HostLookups(most: 4, ofOne: 2) { host in
      if host == "hangs.test" { gate.wait() }
      return [home]
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      func hang(_ owner: UUID) {
        for _ in 0..<2 { group.addTask { _ = try await lookups.resolve("hangs.test", for: owner) } }
      }
      func waitUntilTheyHang(_ owner: UUID) async {
        while lookups.underWay.withLock({ $0[owner] }) != 2 { await Task.yield() }
      }
      func expectRefusal(_ owner: UUID?) async {
        let error = await #expect(throws: SimplonError.self) { try await lookups.resolve("a.test", for: owner) }
        #expect(error?.code == .toolFailed)
      }
      hang(alice)
      await waitUntilTheyHang(alice)
      await expectRefusal(alice)
      #expect(try await lookups.resolve("a.test", for: bob) == [home])
      while lookups.underWay.withLock({ $0.count }) != 1 { await Task.yield() }
      hang(bob)
      await waitUntilTheyHang(bob)
      await expectRefusal(nil)
      for _ in 0..<4 { gate.signal() }
      try await group.waitForAll()
    }
    // An owner who has none under way is not remembered.
    while lookups.underWay.withLock({ !$0.isEmpty }) { await Task.yield() }
    #expect(try await lookups.resolve("a.test", for: alice) == [home])
  }
}
