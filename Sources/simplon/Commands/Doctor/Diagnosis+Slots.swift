import SimplonCore
import SimplonPostgres

extension Diagnosis {
  /// How much of the write-ahead log a slot may hold, in bytes.
  private static let mostHeld: Int64 = 1 << 30

  /// Whether a replication slot keeps the write-ahead log from being removed.
  func slots() async -> Finding {
    await check(.slots, installation.settings.engine, as: "simplon_worker") { client in
      let rows = try await client.query(
        """
        select slot_name::text, active, pg_wal_lsn_diff(
          case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end, restart_lsn)::bigint
        from pg_catalog.pg_replication_slots where restart_lsn is not null order by 3 desc nulls last limit 1
        """)
      guard let row = rows.first else { return Finding(.slots, .ok, "no replication slot holds the write-ahead log") }
      let (name, isActive, held) = try row.decode(String.self, Bool.self, Int64?.self)
      return Self.slot(name, isActive: isActive, held: held ?? 0)
    }
  }

  /// What the slot says that holds the most, in bytes.
  static func slot(_ name: String, isActive: Bool, held: Int64) -> Finding {
    guard held > mostHeld else { return Finding(.slots, .ok, "none holds more than 1 GB of the write-ahead log") }
    let what = "the slot \(name) holds \(held >> 30) GB of the write-ahead log"
    guard !isActive else {
      return Finding(
        .slots, .warning, "\(what), as its reader lags behind", .databaseWALHeld,
        hint: "See whether it catches up: select * from pg_stat_replication;")
    }
    return Finding(
      .slots, .problem, "\(what), and nobody reads it: the server's disk will fill up", .databaseWALHeld,
      hint: "Start its reader; if there is none any more: select pg_drop_replication_slot('\(name)');")
  }
}
