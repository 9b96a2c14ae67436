import CoreMetrics
import Synchronization

/// One line, or one histogram's lines, of the text.
protocol PrometheusSeries: AnyObject, Sendable {
  /// Appends the series' lines.
  func write(name: String, labels: String, to text: inout String)
}

/// A counter's or a gauge's number.
final class PrometheusNumber: PrometheusSeries, CounterHandler, FloatingPointCounterHandler, MeterHandler,
  RecorderHandler
{
  private let value = Mutex(0.0)

  func increment(by amount: Int64) { value.withLock { $0 += Double(amount) } }
  func increment(by amount: Double) { value.withLock { $0 += amount } }
  func decrement(by amount: Double) { value.withLock { $0 -= amount } }
  func set(_ new: Int64) { value.withLock { $0 = Double(new) } }
  func set(_ new: Double) { value.withLock { $0 = new } }
  func record(_ new: Int64) { set(new) }
  func record(_ new: Double) { set(new) }
  func reset() { set(0.0) }

  func write(name: String, labels: String, to text: inout String) {
    text += PrometheusText.line(name, labels, value.withLock { $0 })
  }
}

/// A histogram's buckets, sum and count.
final class PrometheusHistogram: PrometheusSeries, TimerHandler, RecorderHandler {
  private struct State {
    var counts: [Int]
    var sum = 0.0
  }

  private let bounds: [Double]
  private let state: Mutex<State>

  /// Makes a histogram of these upper bounds, ascending; values above the last count in `+Inf` alone.
  init(bounds: [Double]) {
    self.bounds = bounds
    self.state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    guard value.isFinite else { return }
    let index = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock { state in
      state.counts[index] += 1
      state.sum += value
    }
  }

  func write(name: String, labels: String, to text: inout String) {
    let state = state.withLock { $0 }
    var total = 0
    for (index, count) in state.counts.enumerated() {
      total += count
      let bound = index < bounds.count ? PrometheusText.number(bounds[index]) : "+Inf"
      text += PrometheusText.line("\(name)_bucket", PrometheusText.join(labels, "le=\"\(bound)\""), Double(total))
    }
    text += PrometheusText.line("\(name)_sum", labels, state.sum)
    text += PrometheusText.line("\(name)_count", labels, Double(total))
  }
}
