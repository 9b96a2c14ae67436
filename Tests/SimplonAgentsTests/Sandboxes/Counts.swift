import CoreMetrics
import Synchronization

/// Metrics of which only counters and gauges are kept: one line for each time that one was counted up or set.
final class Counts: MetricsFactory {
  private let lines = Mutex([String]())

  var all: [String] { lines.withLock { $0 } }

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    Handler(counts: self, line: ([label] + dimensions.map { "\($0)=\($1)" }).joined(separator: " "))
  }

  func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    Handler(counts: self, line: label)
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { NOOPMetricsHandler.instance }

  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}

  private final class Handler: CounterHandler, RecorderHandler {
    let counts: Counts
    let line: String

    init(counts: Counts, line: String) {
      self.counts = counts
      self.line = line
    }

    func increment(by amount: Int64) { counts.lines.withLock { $0 += Array(repeating: line, count: Int(amount)) } }
    func record(_ value: Int64) { counts.lines.withLock { $0.append("\(line) \(value)") } }
    func record(_ value: Double) { record(Int64(value)) }
    func reset() {}
  }
}
