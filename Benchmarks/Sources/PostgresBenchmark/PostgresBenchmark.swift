import Logging
import SimplonPostgres
import Synchronization

/// Measures how many times a second 64 concurrent callers get the answer of one prepared `select`.
///
/// Arguments: a DSN, seconds for each measurement, then numbers of shared connections. The table `bench (id int primary
/// key, v text)` with ids from 1 to 10000 must be there. Each measurement is a line of JSON.
@main struct PostgresBenchmark {
  static func main() async throws {
    var arguments = CommandLine.arguments.dropFirst()
    let dsn = arguments.popFirst() ?? ""
    let seconds = arguments.popFirst().flatMap(Int.init) ?? 5
    let connections = arguments.isEmpty ? [1, 2, 4] : arguments.compactMap(Int.init)
    for count in connections {
      for hasSession in [false, true].prefix(CommandLine.arguments.last == "role" ? 2 : 1) {
        let rate = try await measure(dsn, connections: count, callers: 64, seconds: seconds, hasSession: hasSession)
        print(
          """
          {"what": "select", "callers": 64, "connections": \(count), "role_and_claims": \(hasSession), \
          "queries_per_second": \(rate)}
          """)
      }
    }
  }

  @concurrent
  static func measure(_ dsn: String, connections: Int, callers: Int, seconds: Int, hasSession: Bool) async throws -> Int
  {
    var configuration = PostgresConfiguration(dsn: dsn)
    configuration.sharedConnections = connections
    let client = PostgresClient(configuration: configuration, logger: Logger(label: "benchmark"))
    let session = hasSession ? PostgresSession(role: "pg_monitor", claims: #"{"sub":"me"}"#) : nil
    return try await withThrowingTaskGroup(of: Void.self) { running in
      running.addTask { try await client.run() }
      defer { running.cancelAll() }
      try await client.query("select 1")
      let clock = ContinuousClock()
      let start = clock.now
      let end = start + .seconds(seconds)
      let total = try await withThrowingTaskGroup(of: Int.self) { group in
        for caller in 0..<callers {
          group.addTask {
            var done = 0
            var id = Int32(caller * 100)
            while clock.now < end {
              id = id % 10_000 + 1
              let rows = try await client.query("select v from bench where id = \(id)", as: session)
              _ = try rows.first?.decode(String.self)
              done += 1
            }
            return done
          }
        }
        return try await group.reduce(0, +)
      }
      let elapsed = clock.now - start
      return Int(Double(total) / (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18))
    }
  }
}
