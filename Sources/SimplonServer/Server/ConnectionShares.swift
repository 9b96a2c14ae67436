import Synchronization

/// Keeps one network from having more than half of all connections there may be, so that no stranger shuts out the rest.
final class ConnectionShares: Sendable {
  private let limit: Int
  private let held = Mutex<[String: Int]>([:])

  /// Takes how many connections there may be in all.
  init(of maximum: Int) { limit = max(1, maximum / 2) }

  /// Counts a connection; false when the network has its share.
  func take(_ network: String) -> Bool {
    held.withLock { held in
      guard held[network, default: 0] < limit else { return false }
      held[network, default: 0] += 1
      return true
    }
  }

  /// Gives one back that was taken.
  func giveBack(_ network: String) {
    held.withLock { held in
      let left = held[network, default: 1] - 1
      held[network] = left > 0 ? left : nil
    }
  }
}
