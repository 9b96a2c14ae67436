// check: documented by the protocol MetricsFactory, whose requirements these are
package import CoreMetrics
import Synchronization

/// The metrics of one process, kept in memory and shown as Prometheus text.
///
/// Names become what Prometheus expects: other characters than `A-Z a-z 0-9 _` turn into `_`, counters end in
/// `_total`, timers in `_seconds`. The same name and labels give the same series. A family has at most
/// ``seriesLimit`` series; what comes above counts in one whose label values are all `other`.
package final class PrometheusRegistry: MetricsFactory, Sendable {
  /// The most series of one name.
  package static let seriesLimit = 1000

  enum Kind: String {
    case counter, gauge, histogram
  }

  struct Family {
    let kind: Kind
    var series: [String: any PrometheusSeries] = [:]
  }

  struct State {
    var families: [String: Family] = [:]
    var help: [String: String] = [:]
  }

  let state = Mutex(State())

  /// Makes an empty registry; hand it to `MetricsSystem.bootstrap` to collect what every room counts.
  package init() {}

  /// Sets the sentence that explains a metric.
  package func describe(_ name: String, _ help: String) { state.withLock { $0.help[name] = help } }

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    series(label, "_total", .counter, dimensions) { PrometheusNumber() } ?? NOOPMetricsHandler.instance
  }

  package func makeFloatingPointCounter(label: String, dimensions: [(String, String)])
    -> any FloatingPointCounterHandler
  {
    series(label, "_total", .counter, dimensions) { PrometheusNumber() } ?? NOOPMetricsHandler.instance
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    series(label, "", .gauge, dimensions) { PrometheusNumber() } ?? NOOPMetricsHandler.instance
  }

  package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    guard aggregate else {
      return series(label, "", .gauge, dimensions) { PrometheusNumber() } ?? NOOPMetricsHandler.instance
    }
    let bounds: [Double] = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262_144, 1_048_576]
    return series(label, "", .histogram, dimensions) { PrometheusHistogram(bounds: bounds) }
      ?? NOOPMetricsHandler.instance
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
    return series(label, "_seconds", .histogram, dimensions) { PrometheusHistogram(bounds: bounds) }
      ?? NOOPMetricsHandler.instance
  }

  package func destroyCounter(_ handler: any CounterHandler) { forget(handler) }
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { forget(handler) }
  package func destroyMeter(_ handler: any MeterHandler) { forget(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { forget(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { forget(handler) }

  /// The series of that name and those labels; nil when the name already stands for another kind.
  private func series<Series: PrometheusSeries>(
    _ label: String, _ ending: String, _ kind: Kind, _ dimensions: [(String, String)], make: () -> Series
  ) -> Series? {
    let name = PrometheusText.name(label, ending: ending)
    return state.withLock { state in
      var family = state.families[name] ?? Family(kind: kind)
      guard family.kind == kind else { return nil }
      var labels = PrometheusText.labels(dimensions)
      if family.series[labels] == nil, family.series.count >= Self.seriesLimit {
        labels = PrometheusText.labels(dimensions.map { ($0.0, "other") })
      }
      let series = family.series[labels] as? Series ?? make()
      family.series[labels] = series
      state.families[name] = family
      return series
    }
  }

  private func forget(_ handler: AnyObject) {
    state.withLock { state in
      for (name, family) in state.families {
        guard let labels = family.series.first(where: { $0.value === handler })?.key else { continue }
        state.families[name]?.series[labels] = nil
      }
    }
  }
}
