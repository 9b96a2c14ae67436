import SimplonCore
import Synchronization
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct SemaphoreTests {
  /// What tasks did inside.
  private final class Record: Sendable {
    let inside = Mutex((now: 0, most: 0))
    let order = Mutex([Int]())
  }

  @Test(arguments: [1, 3]) func `never more pass at once than there is room for`(_ room: Int) async throws {
    let semaphore = Semaphore(room)
    let record = Record()
    try await withThrowingDiscardingTaskGroup { group in
      for _ in 0..<200 {
        group.addTask {
          try await semaphore.withRoom {
            record.inside.withLock { inside in
              inside.now += 1
              inside.most = max(inside.most, inside.now)
            }
            await Task.yield()
            record.inside.withLock { $0.now -= 1 }
          }
        }
      }
    }
    #expect(record.inside.withLock { $0.now } == 0)
    #expect((1...room).contains(record.inside.withLock { $0.most }))
  }

  @Test func `whoever waits goes on in the order of coming, without those who gave up`() async throws {
    let semaphore = Semaphore(1)
    let record = Record()
    let (entered, gate) = (Inbox<Void>(), Inbox<Void>())
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await semaphore.withRoom {
          entered.post(())
          _ = await gate.take()
        }
      }
      _ = await entered.take()
      var tasks = [Task<Void, any Error>]()
      for number in 1...5 {
        tasks.append(Task { try await semaphore.withRoom { record.order.withLock { $0.append(number) } } })
        #expect(await eventually { semaphore.waiting == number })
      }
      tasks[1].cancel()
      await #expect(throws: CancellationError.self) { try await tasks[1].value }
      gate.post(())
      for task in tasks { _ = try? await task.value }
      try await group.waitForAll()
    }
    #expect(record.order.withLock { $0 } == [1, 3, 4, 5])
  }

  @Test func `room comes back from work that failed`() async throws {
    let semaphore = Semaphore(1)
    await #expect(throws: SimplonError.self) {
      try await semaphore.withRoom { throw SimplonError(.toolFailed, "on purpose") }
    }
    #expect(try await semaphore.withRoom { 1 } == 1)
  }
}
