import Metrics
import SimplonCore
import SimplonPostgres

extension Upkeep {
  /// Shows what load leaves behind in the database: old transactions, dead rows, the write-ahead log.
  func recordLoad() async throws {
    let rows = try await client.query(
      "select simplon.oldest_transaction_seconds()::float8, simplon.watch_database()::text")
    guard let row = rows.first else { return }
    let (oldest, text) = try row.decode(Double?.self, String.self)
    let load = try JSON(parsing: text)
    Gauge(label: "simplon_database_oldest_transaction_seconds").record(oldest ?? 0)
    for (table, dead) in load["dead_rows"]?.object ?? [:] {
      Gauge(label: "simplon_database_dead_rows", dimensions: [("table", table)]).record(dead.double ?? 0)
    }
    Gauge(label: "simplon_database_wal_held_bytes").record(load["wal_held_bytes"]?.double ?? 0)
    if let bytes = load["wal_bytes"]?.double { Gauge(label: "simplon_database_wal_bytes").record(bytes) }
  }
}

extension JSON {
  /// The number, where it is one.
  var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
}
