import FoundationEssentials
import SimplonCore
import Synchronization

/// What the runs of users use, gathered here until the worker adds it to what the database knows.
///
/// It decides whose run is claimed next and is no bill: what a killed worker had gathered is lost.
final class RecentUse: Sendable {
  private let gathered = Mutex<[UUID?: Double]>([:])

  /// Adds a step: one unit, and one for each second and for each 1,000 tokens.
  func add(stepOf user: UUID?, took time: Duration, tokens: Int) {
    add([user: 1 + max(0, time.seconds) + Double(tokens) / 1000])
  }

  /// Adds units of users, such as ones that could not be written.
  func add(_ units: [UUID?: Double]) {
    gathered.withLock { $0.merge(units, uniquingKeysWith: +) }
  }

  /// All that has been gathered since the last call.
  func take() -> [UUID?: Double] {
    gathered.withLock { gathered in
      defer { gathered = [:] }
      return gathered
    }
  }
}
