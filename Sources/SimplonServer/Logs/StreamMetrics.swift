import Metrics

/// What the streams count.
struct StreamMetrics: Sendable {
  /// Streams open now.
  let open: Meter
  /// Streams and files cut off because their reader took nothing for too long.
  let stalled: Counter

  init(_ metrics: PrometheusRegistry) {
    metrics.describe("http_streams_open", "Streams of server-sent events that are open.")
    metrics.describe(
      "http_streams_stalled_total", "Streams and files cut off because their reader took nothing for too long.")
    open = Meter(label: "http_streams_open", factory: metrics)
    stalled = Counter(label: "http_streams_stalled_total", factory: metrics)
  }
}
