import Hummingbird
import Metrics
import Synchronization

/// Counts requests and measures the time to the start of each answer, by route pattern, method and status.
final class MetricsMiddleware: RouterMiddleware {
  private struct Key: Hashable {
    let route: String
    let method: String
    let status: Int
  }

  private struct Series {
    let count: Counter
    let duration: Timer
  }

  private let metrics: PrometheusRegistry
  private let inFlight: Meter
  private let series = Mutex<[Key: Series]>([:])

  init(metrics: PrometheusRegistry) {
    self.metrics = metrics
    metrics.describe("http_requests_total", "Requests answered, by route, method and status.")
    metrics.describe("http_request_duration_seconds", "Time from a request's head to its answer's head.")
    metrics.describe("http_requests_in_flight", "Requests whose answer has not begun.")
    self.inFlight = Meter(label: "http_requests_in_flight", factory: metrics)
  }

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    let start = ContinuousClock.now
    inFlight.increment()
    defer { inFlight.decrement() }
    let response = try await next(request, context)
    let series = series(
      Key(route: context.endpointPath ?? "none", method: Self.label(request.method), status: response.status.code))
    series.count.increment()
    series.duration.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
    return response
  }

  private func series(_ key: Key) -> Series {
    series.withLock { known in
      if let series = known[key] { return series }
      let labels = [("method", key.method), ("route", key.route), ("status", String(key.status))]
      let series = Series(
        count: Counter(label: "http_requests_total", dimensions: labels, factory: metrics),
        duration: Timer(
          label: "http_request_duration_seconds", dimensions: Array(labels.prefix(2)), preferredDisplayUnit: .seconds,
          factory: metrics))
      known[key] = series
      return series
    }
  }

  /// The method where it is a usual one: callers may invent others without end.
  private static func label(_ method: HTTPRequest.Method) -> String {
    let usual: [HTTPRequest.Method] = [.get, .post, .head, .options, .put, .patch, .delete]
    return usual.contains(method) ? method.rawValue : "other"
  }
}

extension Duration {
  /// Whole nanoseconds; what no 64 bits hold counts as the most they do.
  fileprivate var nanoseconds: Int64 {
    let (whole, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : whole.addingReportingOverflow(components.attoseconds / 1_000_000_000).partialValue
  }
}
