import Foundation
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct RetentionTests {
  private static let oldMonth = """
    create table simplon.agent_task_logs_2020_01 (like public.agent_task_logs including all);
    alter table public.agent_task_logs attach partition simplon.agent_task_logs_2020_01
      for values from ('016f5e66-e800-0000-0000-000000000000') to ('016ffe0c-0c00-0000-0000-000000000000');
    """

  private static let drop = "select simplon.drop_month_partitions('agent_task_logs', '30 days')"

  @Test func `old months are dropped, but not while a run in them goes on`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        Self.oldMonth + "insert into agent_runs (id, prompt) values (simplon.uuid_v7_floor('2020-01-15+00'), 'old')")
      #expect(try await database.execute(Self.drop) == ["0"])
      try await database.execute("update agent_runs set status = 'cancelled', completed_at = now()")
      #expect(try await database.execute(Self.drop) == ["1"])
      #expect(try await database.execute("select count(*) from agent_task_logs") == ["0"])
      #expect(try await database.execute(Self.drop) == ["0"])
    }
  }

  @Test func `a run whose month was dropped is neither resumed nor done again`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        Self.oldMonth + """
          insert into agent_runs (id, prompt) values (simplon.uuid_v7_floor('2020-01-15+00'), 'old');
          update agent_runs set status = 'cancelled', completed_at = now();
          delete from agent_task_queue;
          \(Self.drop)
          """)
      for action in ["resume", "retry"] {
        await refused("SIM02", action) {
          try await database.execute(
            """
            set role service_role; select set_config('request.jwt.claims', '{"role": "service_role"}', false);
            select simplon.act_on_run(simplon.uuid_v7_floor('2020-01-15+00'), '\(action)')
            """)
        }
      }
      let left = try await database.execute("select status from agent_runs")
      #expect(left == ["cancelled"])
      #expect(try await database.execute("select simplon.delete_runs('0', 9)") == ["1"])
    }
  }

  @Test func `a month that somebody uses is dropped another time, and nobody waits for that`() async throws {
    try await Engine.with { engine in
      try await engine.database.execute(Self.oldMonth)
      try await engine.admin.withTransaction(retries: 0) { connection in
        try await connection.query("select from agent_task_logs")
        let dropped = try await engine.database.execute(Self.drop)
        #expect(dropped == ["0"])
      }
      #expect(try await engine.database.execute(Self.drop) == ["1"])
    }
  }

  @Test(arguments: ["UTC", "America/New_York", "Asia/Tokyo"])
  func `months begin and end as in UTC, wherever the session is`(_ zone: String) async throws {
    try await withTestDatabase { database in
      try await database.execute(
        "set timezone = '\(zone)'; select simplon.make_month_partitions('agent_task_logs', 0, 14)")
      let wrong = try await database.execute(
        """
        set timezone = 'UTC';
        select c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        cross join lateral (select to_timestamp(right(c.relname, 7), 'YYYY_MM') as month) m
        where i.inhparent = 'agent_task_logs'::regclass and pg_get_expr(c.relpartbound, c.oid)
          <> format('FOR VALUES FROM (%L) TO (%L)', simplon.uuid_v7_floor(month), simplon.uuid_v7_floor(month + interval '1 month'))
        """)
      #expect(wrong == [])
      let count = try await database.execute(
        "select count(*) from pg_inherits where inhparent = 'agent_task_logs'::regclass")
      #expect(count == ["15"])
      let old = Self.oldMonth + "set timezone = '\(zone)'; \(Self.drop)"
      #expect(try await database.execute(old) == ["1"])
    }
  }

  @Test func `a run that is deleted takes its messages and events along, and nothing else does`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        """
        insert into agent_runs (prompt) values ('x');
        insert into agent_messages (run_id, position, attempt, role, content) select id, 1, 1, 'user', '{}' from agent_runs
        """)
      for table in ["agent_messages", "agent_task_logs"] {
        await refused("42501", "delete") { try await database.execute("delete from \(table)") }
        #expect(try await database.execute("select count(*) from \(table)") == ["1"])
      }
      try await database.execute("delete from agent_runs")
      for table in ["agent_messages", "agent_task_logs"] {
        #expect(try await database.execute("select count(*) from \(table)") == ["0"])
      }
    }
  }
}
