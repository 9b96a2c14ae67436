import CoreMetrics
import Testing

@testable import SimplonServer

@Suite struct PrometheusRegistryTests {
  @Test func `each kind is shown as Prometheus wants it`() {
    let registry = PrometheusRegistry()
    registry.describe("jobs_total", "Jobs\nwith \\ slashes.")
    Counter(label: "jobs", dimensions: [("b", "x\"y\\z\nw"), ("a", "1")], factory: registry).increment(by: 3)
    Counter(label: "jobs", dimensions: [("a", "1"), ("b", "x\"y\\z\nw")], factory: registry).increment()
    Gauge(label: "pool.size", factory: registry).record(7)
    Meter(label: "ratio", factory: registry).set(0.5)
    let timer = Timer(label: "wait", factory: registry)
    timer.recordNanoseconds(2_000_000)
    timer.recordNanoseconds(3_000_000_000_000)
    let text = registry.text
    #expect(text.contains("# HELP jobs_total Jobs\\nwith \\\\ slashes.\n# TYPE jobs_total counter\n"))
    #expect(text.contains("jobs_total{a=\"1\",b=\"x\\\"y\\\\z\\nw\"} 4\n"))
    #expect(text.contains("# TYPE pool_size gauge\npool_size 7\n"))
    #expect(text.contains("ratio 0.5\n"))
    #expect(text.contains("wait_seconds_bucket{le=\"0.001\"} 0\nwait_seconds_bucket{le=\"0.0025\"} 1\n"))
    #expect(text.contains("wait_seconds_bucket{le=\"+Inf\"} 2\nwait_seconds_sum 3000.002\nwait_seconds_count 2\n"))
    #expect(grammarFaults(text) == [])
  }

  @Test func `series of one name are bounded and what is above counts together`() {
    let registry = PrometheusRegistry()
    for number in 0..<1500 { Counter(label: "n", dimensions: [("x", "\(number)")], factory: registry).increment() }
    let lines = registry.text.split(separator: "\n").filter { $0.hasPrefix("n_total{") }
    #expect(lines.count == PrometheusRegistry.seriesLimit + 1)
    #expect(lines.contains("n_total{x=\"other\"} 500"))
  }

  @Test func `a name keeps its first kind and a destroyed series is gone`() {
    let registry = PrometheusRegistry()
    let counter = Counter(label: "x_total", factory: registry)
    Meter(label: "x_total", factory: registry).set(9)
    #expect(registry.text == "# HELP x_total X total.\n# TYPE x_total counter\nx_total 0\n")
    counter.destroy()
    #expect(registry.text == "")
  }

  @Test func `counting from many tasks loses nothing`() async {
    let registry = PrometheusRegistry()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<1000 { Counter(label: "c", factory: registry).increment() } }
      }
    }
    #expect(registry.text.hasSuffix("c_total 8000\n"))
  }
}

/// The lines that break the text format's grammar, or stand outside of their family.
func grammarFaults(_ text: String) -> [String] {
  let name = #/[a-zA-Z_:][a-zA-Z0-9_:]*/#
  let sample =
    #/([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*"(,(?!\})|(?=\})))+\})? (-?[0-9.eE+-]+|NaN|[+-]Inf)/#
  var faults = [String]()
  var family = ""
  var seen = Set<String>()
  for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
    let words = line.split(separator: " ", maxSplits: 3)
    if line.hasPrefix("# TYPE "), words.count == 4, words[2].wholeMatch(of: name) != nil {
      if !seen.insert("TYPE " + words[2]).inserted || !["counter", "gauge", "histogram"].contains(words[3]) {
        faults.append(String(line))
      }
      family = String(words[2])
    } else if line.hasPrefix("# HELP "), words.count == 4 {
      continue
    } else if let match = line.wholeMatch(of: sample) {
      let own = [family, family + "_bucket", family + "_sum", family + "_count"].contains(String(match.1))
      if !own || !seen.insert(line.split(separator: " ").dropLast().joined(separator: " ")).inserted {
        faults.append(String(line))
      }
    } else {
      faults.append(String(line))
    }
  }
  if !text.isEmpty, !text.hasSuffix("\n") { faults.append("no line break at the end") }
  return faults
}
