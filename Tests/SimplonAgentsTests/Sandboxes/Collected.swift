import Synchronization

@testable import SimplonAgents

/// Lines as they came.
final class Collected: Sendable {
  private let lines = Mutex([LogLine]())

  var all: [LogLine] { lines.withLock { $0 } }

  func add(_ line: LogLine) { lines.withLock { $0.append(line) } }
}
