import FoundationEssentials
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

  private let users = [nil, UUID(), UUID(), UUID()]

  @Test(arguments: [1, 3]) func `never more pass at once than there is room for`(_ room: Int) async throws {
    let semaphore = Semaphore(room)
    let record = Record()
    try await withThrowingDiscardingTaskGroup { group in
      for number in 0..<200 {
        group.addTask {
          try await semaphore.withRoom(for: users[number % users.count]) {
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

  /// Waits for tasks, which a time limit ends too: else one that is never let in would hold up all other tests.
  private func end(of tasks: [Task<Void, any Error>]) async {
    await withTaskCancellationHandler {
      for task in tasks { _ = await task.result }
    } onCancel: {
      for task in tasks { task.cancel() }
    }
  }

  /// Fills the only place, lets tasks of these users wait one after the other, and gives the order they go on in.
  private func order(
    of coming: [Int], in semaphore: Semaphore, giveUp: Int? = nil
  ) async throws -> [Int] {
    let record = Record()
    let (entered, gate) = (Inbox<Void>(), Inbox<Void>())
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await semaphore.withRoom(for: UUID()) {
          entered.post(())
          _ = await gate.take()
        }
      }
      _ = await entered.take()
      var tasks = [Task<Void, any Error>]()
      for (number, user) in coming.enumerated() {
        tasks.append(
          Task { try await semaphore.withRoom(for: users[user]) { record.order.withLock { $0.append(number) } } })
        #expect(await eventually { semaphore.waiting == number + 1 })
      }
      if let giveUp {
        tasks[giveUp].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[giveUp].value }
      }
      gate.post(())
      await end(of: tasks)
      try await group.waitForAll()
    }
    return record.order.withLock { $0 }
  }

  @Test func `one user's tasks go on in the order of coming, without those who gave up`() async throws {
    #expect(try await order(of: [1, 1, 1, 1, 1], in: Semaphore(1), giveUp: 1) == [0, 2, 3, 4])
  }

  @Test func `users take turns, however many tasks of one came first`() async throws {
    #expect(try await order(of: [1, 1, 1, 1, 2, 2, 0], in: Semaphore(1)) == [0, 4, 6, 1, 5, 2, 3])
    #expect(try await order(of: [1, 2, 2, 1], in: Semaphore(1), giveUp: 0) == [3, 1, 2])
  }

  @Test func `no user has all places, and the last one is for another`() async throws {
    let changes = Inbox<Int>()
    let semaphore = Semaphore(3) { changes.post($0) }
    let waiting = Inbox<Void>()
    let (entered, gates) = (Inbox<Int>(), (0..<4).map { _ in Inbox<Void>() })
    func start(_ number: Int, _ user: UUID?) -> Task<Void, any Error> {
      Task {
        try await semaphore.withRoom(for: user, onWait: { waiting.post(()) }) {
          entered.post(number)
          _ = await gates[number].take()
        }
      }
    }
    var tasks = [Task<Void, any Error>]()
    for number in 0..<2 {
      tasks.append(start(number, users[1]))
      #expect(await entered.take() == [number])
    }
    // A third of the same user waits, though a place is free, and says so.
    tasks.append(start(2, users[1]))
    #expect(await waiting.take().count == 1)
    #expect(await changes.take() == [1])
    tasks.append(start(3, users[2]))
    #expect(await entered.take() == [3])
    gates[0].post(())
    #expect(await entered.take() == [2])
    #expect(await changes.take() == [0])
    for gate in gates { gate.post(()) }
    await end(of: tasks)
  }

  @Test func `room comes back from work that failed`() async throws {
    let semaphore = Semaphore(1)
    await #expect(throws: SimplonError.self) {
      try await semaphore.withRoom(for: nil) { throw SimplonError(.toolFailed, "on purpose") }
    }
    #expect(try await semaphore.withRoom(for: nil) { 1 } == 1)
  }
}
