import FoundationEssentials
import Synchronization

/// Lets a number of tasks pass at once; the others wait, and their users take turns.
///
/// One user's tasks go on in the order of coming. Where there are two places or more, no user has all of them: a task may
/// keep its place for a day, and a second user's first must not wait for that. So with two places one user has one at a
/// time; and two users together can have them all.
final class Semaphore: Sendable {
  private struct Waiter {
    let id: Int
    let continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    var free: Int
    /// The most places of one user.
    let share: Int
    var next = 0
    /// How many places each user has.
    var held = [UUID?: Int]()
    /// Who waits, of each user in the order of coming; no list is empty.
    var waiting = [UUID?: [Waiter]]()
    /// The users who wait; the first has the next turn.
    var turns = [UUID?]()

    var count: Int { waiting.values.reduce(0) { $0 + $1.count } }

    mutating func enter(_ user: UUID?) -> Bool {
      guard free > 0, held[user, default: 0] < share else { return false }
      take(user)
      return true
    }

    private mutating func take(_ user: UUID?) {
      free -= 1
      held[user, default: 0] += 1
    }

    mutating func wait(_ user: UUID?, _ waiter: Waiter) {
      if waiting[user] == nil { turns.append(user) }
      waiting[user, default: []].append(waiter)
    }

    mutating func remove(_ user: UUID?, _ id: Int) -> Waiter? {
      guard let index = waiting[user]?.firstIndex(where: { $0.id == id }) else { return nil }
      let waiter = waiting[user]?.remove(at: index)
      if waiting[user]?.isEmpty == true {
        waiting[user] = nil
        turns.removeAll { $0 == user }
      }
      return waiter
    }

    /// Gives a place back; the result is who goes on in it, if anybody.
    mutating func leave(_ user: UUID?) -> Waiter? {
      free += 1
      let left = held[user, default: 1] - 1
      held[user] = left > 0 ? left : nil
      guard let turn = turns.first(where: { held[$0, default: 0] < share }), let first = waiting[turn]?.first else {
        return nil
      }
      take(turn)
      let waiter = remove(turn, first.id)
      if waiting[turn] != nil {
        turns.removeAll { $0 == turn }
        turns.append(turn)
      }
      return waiter
    }
  }

  private let state: Mutex<State>
  private let onChange: @Sendable (_ waiting: Int) -> Void

  /// Makes one for so many at once, at least one; it tells each change in how many wait.
  init(_ count: Int, onChange: @escaping @Sendable (_ waiting: Int) -> Void = { _ in }) {
    state = Mutex(State(free: max(1, count), share: max(1, count - 1)))
    self.onChange = onChange
  }

  /// How many wait now.
  var waiting: Int { state.withLock { $0.count } }

  /// Does something when there is room for it.
  ///
  /// `onWait` is called when there is none at once.
  /// - Throws: `CancellationError` when the task is cancelled while it waits, and what the body throws.
  func withRoom<Value>(
    for user: UUID?, onWait: () -> Void = {}, _ body: () async throws -> Value
  ) async throws -> Value {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let entered = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if Task.isCancelled { return false }
          if state.enter(user) { return true }
          state.wait(user, Waiter(id: id, continuation: continuation))
          onChange(state.count)
          return nil
        }
        if let answer { continuation.resume(returning: answer) } else { onWait() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let waiter = state.remove(user, id)
        if waiter != nil { onChange(state.count) }
        return waiter
      }
      waiter?.continuation.resume(returning: false)
    }
    guard entered else { throw CancellationError() }
    defer {
      let next = state.withLock { state in
        let next = state.leave(user)
        if next != nil { onChange(state.count) }
        return next
      }
      next?.continuation.resume(returning: true)
    }
    return try await body()
  }
}
