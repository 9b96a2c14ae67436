import Metrics
import SimplonCore
import SimplonPostgres

/// What models were asked and what it cost, for `/metrics`.
enum ModelMetrics {
  /// Counts calls that were settled just now: model, basis, tokens of each kind, and cost.
  static func count(_ settled: PostgresRows) {
    for row in settled {
      // It is written by now: what cannot be counted must not make it look as if it were not.
      guard
        let (model, basis, input, cacheRead, cacheWrite, cacheWriteHour, output, cost) = try? row.decode(
          String.self, String.self, Int64?.self, Int64?.self, Int64?.self, Int64?.self, Int64?.self,
          PostgresNumeric?.self)
      else { continue }
      Counter(label: "simplon_model_calls_total", dimensions: [("model", model), ("outcome", basis)]).increment()
      let tokens = [
        ("input", input), ("cache_read", cacheRead), ("cache_write", cacheWrite), ("cache_write_hour", cacheWriteHour),
        ("output", output),
      ]
      for case (let kind, let count?) in tokens where count > 0 {
        Counter(label: "simplon_model_tokens_total", dimensions: [("model", model), ("kind", kind)])
          .increment(by: count)
      }
      // A figure to look at: what is exact is the ledger.
      guard let cost = cost.flatMap({ Double($0.text) }), cost > 0 else { continue }
      FloatingPointCounter(label: "simplon_model_cost_usd_total", dimensions: [("model", model)]).increment(by: cost)
    }
  }
}
