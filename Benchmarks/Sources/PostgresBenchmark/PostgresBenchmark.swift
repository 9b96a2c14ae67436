import Logging
import SimplonPostgres

/// Measures how many times a second concurrent callers of one client get the answer of a prepared `select` by key.
///
/// `PostgresBenchmark DSN [--callers 64] [--seconds 5] [--connections 4] [--role NAME]`; the table `kv (id int primary
/// key, v text)` holds ids from 1 to 10,000. With a role, each query runs as it, with claims. Prints one line of JSON.
@main struct PostgresBenchmark {
  static func main() async throws {
    let words = CommandLine.arguments
    func option(_ name: String) -> String? {
      words.firstIndex(of: "--" + name).flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
    }
    var configuration = PostgresConfiguration(dsn: words.dropFirst().first ?? "")
    configuration.sharedConnections = option("connections").flatMap(Int.init) ?? configuration.sharedConnections
    let callers = option("callers").flatMap(Int.init) ?? 64
    let session = option("role").map { PostgresSession(role: $0, claims: #"{"sub":"me"}"#) }
    let client = PostgresClient(configuration: configuration, logger: Logger(label: "benchmark"))
    let rate = try await withThrowingTaskGroup(of: Void.self) { running in
      running.addTask { try await client.run() }
      defer { running.cancelAll() }
      try await client.query("select 1")
      let time = Duration.seconds(option("seconds").flatMap(Double.init) ?? 5)
      return try await measure(client, callers: callers, time: time, session: session)
    }
    print(
      """
      {"queries_per_second": \(rate), "callers": \(callers), "connections": \(configuration.sharedConnections), \
      "has_role": \(session != nil)}
      """)
  }

  @concurrent
  static func measure(_ client: PostgresClient, callers: Int, time: Duration, session: PostgresSession?) async throws
    -> Int
  {
    let clock = ContinuousClock()
    let start = clock.now
    let end = start + time
    let total = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<callers {
        group.addTask {
          var done = 0
          while clock.now < end {
            let id = Int32.random(in: 1...10_000)
            let rows = try await client.query("select v from kv where id = \(id)", as: session)
            _ = try rows.first?.decode(String.self)
            done += 1
          }
          return done
        }
      }
      return try await group.reduce(0, +)
    }
    return Int(Double(total) / ((clock.now - start) / .seconds(1)))
  }
}
