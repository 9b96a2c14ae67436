import Logging
import SimplonCore
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct ReadinessTests {
  @Test func `a database that has everything is ready`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(
        """
        insert into simplon.workers (id, name, version, engine_version, slots, sandbox, alive_until)
        select gen_random_uuid(), 'w', '1', 1, 1, level, now() + alive
        from (values ('cgroup1', interval '1 hour'), ('cgroup1', '1 hour'), ('rlimits', '1 hour'), ('none', '-1 hour'))
          as workers (level, alive)
        """)
      let level = SandboxLevel(kind: .rlimits, reason: "there is no control group")
      let answer = await Readiness.probe(engine: engine.client, sandbox: level)
      #expect(answer.ready)
      #expect(answer.details["workers"] == 3)
      #expect(answer.details["sandboxes"] == ["cgroup1": 2, "rlimits": 1])
      #expect(answer.details["sandbox"] == ["level": "rlimits", "reason": "there is no control group"])
      #expect(answer.details["queue"]?["ready"] == 0)
      #expect(answer.details["tables_accessible"]?["agent_runs"] == true)
    }
  }

  @Test func `the oldest transaction is seen, whoever has it`() async throws {
    try await Engine.with { engine in
      try await engine.admin.withTransaction { transaction in
        _ = try await transaction.query("select pg_sleep(0.01)")
        let one = await Readiness.probe(engine: engine.client, sandbox: nil)
        guard case .number(let seconds)? = one.details["oldest_transaction_seconds"] else {
          Issue.record("\(one.details)")
          return
        }
        #expect(Double(seconds).map { $0 >= 0.01 } == true)
      }
    }
  }

  @Test func `where the events of a new run have no place, nothing is ready`() async throws {
    try await Engine.with { engine in
      let partitions = try await engine.database.execute(
        "select inhrelid::regclass from pg_inherits where inhparent = 'agent_task_logs'::regclass order by 1 limit 1")
      for partition in partitions.compactMap(\.self) { try await engine.database.execute("drop table \(partition)") }
      let answer = await Readiness.probe(engine: engine.client, sandbox: nil)
      #expect(!answer.ready)
      #expect(answer.details["events_have_a_place"] == false)
    }
  }

  @Test func `a database that does not answer in time is not ready`() async {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    // A client that nobody runs answers nobody.
    let client = PostgresClient(configuration: PostgresConfiguration(dsn: "host=/nowhere"), logger: logger)
    let answer = await Readiness.probe(engine: client, sandbox: nil, within: .milliseconds(50))
    #expect(!answer.ready)
    #expect(answer.details["database"] == "database.timeout")
  }
}
