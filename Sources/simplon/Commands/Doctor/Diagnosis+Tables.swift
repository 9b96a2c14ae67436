import SimplonAgents
import SimplonCore
import SimplonPostgres

extension Diagnosis {
  /// How old a transaction may be.
  private static let longest = 600.0

  /// What the server's own readiness says, as two checks: its tables, and the oldest transaction.
  func tables() async -> [Finding] {
    do {
      let readiness = try await ask(installation.settings.engine) { client in
        await Readiness.probe(engine: client, sandbox: nil, within: .seconds(5))
      }
      return [Self.tables(readiness.details), Self.transactions(readiness.details)]
    } catch {
      return [Finding(.tables, SimplonError(wrapping: error))]
    }
  }

  /// Whether new runs find everything that they need.
  static func tables(_ details: JSON) -> Finding {
    let state = details["database"]?.string ?? ""
    guard state == "ok" else {
      return Finding(
        .tables, .problem, "the engine's tables did not answer",
        SimplonError.Code.all.first { $0.rawValue == state } ?? .databaseQuery,
        hint: "This says what differs from what the migrations make: simplon db verify")
    }
    let closed = (details["tables_accessible"]?.object ?? [:]).filter { $0.value != true }.keys.sorted()
    guard closed.isEmpty else {
      return Finding(
        .tables, .problem, "the engine cannot read \(closed.joined(separator: ", "))", .databaseSchema,
        hint: "This says what differs from what the migrations make: simplon db verify")
    }
    guard details["events_have_a_place"] == true else {
      return Finding(
        .tables, .problem, "new events have no partition", .databaseSchema,
        hint: """
          A worker makes it when it starts; or, as the owner: select simplon.make_month_partitions('agent_task_logs');
          """)
    }
    let workers = details["workers"]?.integer ?? 0
    return Finding(.tables, .ok, "all can be read; \(workers == 1 ? "1 worker is" : "\(workers) workers are") alive")
  }

  /// Whether somebody holds old rows back.
  static func transactions(_ details: JSON) -> Finding {
    guard case .number(let text)? = details["oldest_transaction_seconds"], let seconds = Double(text) else {
      return Finding(.transactions, .ok, "none is open that the owner of the tables may see")
    }
    guard seconds > longest else { return Finding(.transactions, .ok, "none has been open for long") }
    return Finding(
      .transactions, .warning,
      "one has been open for \(Int(min(seconds, 1e9) / 60)) minutes; dead rows pile up meanwhile",
      .databaseLongTransaction,
      hint: """
        Find it: select pid, usename, state, xact_start from pg_stat_activity order by xact_start limit 5;
        End it: select pg_terminate_backend(PID);
        """)
  }
}
