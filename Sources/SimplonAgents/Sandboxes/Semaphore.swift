import Synchronization

/// Lets a number of tasks pass at once; the others wait, and the first to come is the first to go on.
final class Semaphore: Sendable {
  private struct State {
    var free: Int
    var next = 0
    /// Who waits, by number; the order has the numbers of those too who gave up.
    var waiting = [Int: CheckedContinuation<Bool, Never>]()
    var order = [Int]()
    var first = 0

    /// The next to go on, taken out.
    mutating func shift() -> CheckedContinuation<Bool, Never>? {
      while first < order.count {
        first += 1
        if let waiter = waiting.removeValue(forKey: order[first - 1]) { return waiter }
      }
      order.removeAll()
      first = 0
      return nil
    }
  }

  private let state: Mutex<State>

  /// Makes one for so many at once, at least one.
  init(_ count: Int) { state = Mutex(State(free: max(1, count))) }

  /// How many wait now.
  var waiting: Int { state.withLock { $0.waiting.count } }

  /// Does something when there is room for it.
  ///
  /// - Throws: `CancellationError` when the task is cancelled while it waits, and what the body throws.
  func withRoom<Value>(_ body: () async throws -> Value) async throws -> Value {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let entered = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if Task.isCancelled { return false }
          if state.free > 0 {
            state.free -= 1
            return true
          }
          state.order.append(id)
          state.waiting[id] = continuation
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: false)
    }
    guard entered else { throw CancellationError() }
    defer {
      let next = state.withLock { state in
        let next = state.shift()
        if next == nil { state.free += 1 }
        return next
      }
      next?.resume(returning: true)
    }
    return try await body()
  }
}
