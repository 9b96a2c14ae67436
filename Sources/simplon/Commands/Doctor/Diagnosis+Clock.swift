import FoundationEssentials
import SimplonCore
import SimplonPostgres

extension Diagnosis {
  /// How far the clocks may be apart, in seconds.
  private static let mostSkew = 5.0

  /// Whether this machine's clock and the database's agree.
  func clock() async -> Finding {
    await check(.clock, installation.settings.engine, as: "simplon_worker") { client in
      // The first statement waits for the connection.
      _ = try await client.query("select 1")
      let before = Date().timeIntervalSince1970
      let rows = try await client.query("select extract(epoch from clock_timestamp())::text")
      let after = Date().timeIntervalSince1970
      let theirs = try rows.first?.decode(String.self) ?? ""
      return Self.clock(theirs: Double(theirs) ?? 0, before: before, after: after)
    }
  }

  /// What the database's clock says that was read between two times of ours, all in Unix seconds.
  static func clock(theirs: Double, before: Double, after: Double) -> Finding {
    let lead = theirs > after ? theirs - after : theirs < before ? theirs - before : 0
    guard abs(lead) > mostSkew else { return Finding(.clock, .ok, "this machine's and the database's agree") }
    return Finding(
      .clock, .warning,
      "the database's is \(Int(min(abs(lead), 1e9))) s \(lead > 0 ? "ahead of" : "behind") this machine's",
      .databaseClock,
      hint: "Set both by the network, as tokens and schedules go by them: timedatectl set-ntp true")
  }
}
