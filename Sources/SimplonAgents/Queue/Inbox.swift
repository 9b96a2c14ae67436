import Synchronization

/// A mailbox with one reader, who takes all that has come at once.
///
/// Posting never waits.
final class Inbox<Item: Sendable>: Sendable {
  private struct State {
    var items: [Item] = []
    var reader: CheckedContinuation<Void, Never>?
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Leaves an item; after ``close()`` it is dropped.
  func post(_ item: Item) {
    let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard !state.isClosed else { return nil }
      state.items.append(item)
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume()
  }

  /// Ends the reader's waiting for good.
  func close() {
    let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.isClosed = true
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume()
  }

  /// All items since the last call, waiting for the first; empty once closed or when the task is cancelled.
  func take() async -> [Item] {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          guard state.items.isEmpty, !state.isClosed else { return true }
          state.reader = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      close()
    }
    return state.withLock { state in
      defer { state.items = [] }
      return state.items
    }
  }
}
