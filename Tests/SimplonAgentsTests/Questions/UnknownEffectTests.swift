import FoundationEssentials
import SimplonCluster
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// Calls of which nobody knows whether they happened, on a real PostgreSQL: a person says how it was.
///
/// No request may leave here: one that is made ends its run with `tool.egress`.
@Suite(.timeLimit(.minutes(1)))
struct UnknownEffectTests {
  private static func request(_ id: String, _ method: String) -> JSON {
    ["id": .string(id), "tool": "http", "with": ["url": "http://a.test/", "method": .string(method)]]
  }
  private static let post = request("post", "POST")
  private static let happened: JSON = [
    "step_id": "post", "decision": "happened", "output": ["id": 7], "message": "seen",
  ]

  private func rests(_ event: StoredEvent) -> Bool {
    event.kind == "done" || event.kind == "status" && event.payload.contains("\"waiting\"")
  }

  /// A run whose worker has written down that its calls begin, and no more.
  private func begun(_ steps: JSON, _ engine: Engine) async throws -> UUID {
    let run = try await engine.create(steps)
    let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
    var machine = RunMachine(
      plan: try Plan(json: ["steps": steps], tools: engine.tools.catalog), records: [], run: [:])
    _ = try await engine.heldRuns.write([
      Settler.Entry(
        run: claim.held, attempt: claim.attempt, base: claim.nextSeq, turn: machine.turn(), lease: Lease())
    ])
    return run
  }

  /// Lets a worker take the run up, until it has ended or waits.
  private func goOn(_ run: UUID, _ engine: Engine) async throws {
    let last = try await engine.logs.start(of: run).lastSeq
    try await engine.withWorker { try await engine.wait(for: run, after: last, until: rests) }
  }

  private func lose(_ run: UUID, _ engine: Engine) async throws {
    try await engine.database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
    #expect(try await engine.queue.recover() == [run])
  }

  /// A run that waits since its worker was lost while its calls were under way.
  private func asked(_ steps: JSON, _ engine: Engine) async throws -> UUID {
    let run = try await begun(steps, engine)
    try await lose(run, engine)
    try await goOn(run, engine)
    #expect(try await engine.status(run)["reason"]?["code"] == "run.unknown_effect")
    return run
  }

  private func end(_ run: UUID, by deadline: Bool, _ engine: Engine) async throws {
    guard deadline else {
      #expect(try await engine.runs.act(.stop, on: run, as: Engine.alice) == "cancelled")
      return
    }
    try await engine.database.execute(#"update agent_runs set budget = '{"deadline": "2020-01-01T00:00:00Z"}'"#)
    #expect(try await LedgerStore(client: engine.client, caps: SpendingCaps()).endOverdue() == [run])
  }

  private func resume(_ run: UUID, _ engine: Engine) async throws {
    let later = try Budget(json: ["deadline": "2999-01-01T00:00:00Z"])
    #expect(try await engine.runs.act(.resume, on: run, within: later, as: Engine.alice) == "queued")
  }

  // MARK: Stops and resumes

  @Test(arguments: [false, true])
  func `a call that was under way at a stop or a deadline is put to a person by a resume`(_ deadline: Bool) async throws
  {
    try await Engine.with { engine in
      let run = try await begun([Self.post], engine)
      // Also what a person was asked about already is asked again.
      for _ in 0..<2 {
        try await end(run, by: deadline, engine)
        let ended = try await engine.step("post", of: run)
        #expect(ended["status"] == "cancelled")
        try await resume(run, engine)
        let resumed = try await engine.step("post", of: run)
        #expect(resumed["status"] == "running" && resumed["effect"] == ended["effect"])
        try await goOn(run, engine)
        #expect(try await engine.status(run)["reason"]?["code"] == "run.unknown_effect")
        let asked = try await engine.step("post", of: run)
        #expect(asked["status"] == "waiting" && asked["effect"] == "unknown")
      }
    }
  }

  @Test(arguments: ["PUT", "GET"])
  func `a call that may be made again is made again by a resume`(_ method: String) async throws {
    try await Engine.with { engine in
      let run = try await begun([Self.request("call", method)], engine)
      try await end(run, by: false, engine)
      try await resume(run, engine)
      try await goOn(run, engine)
      #expect(try await engine.status(run)["error"]?["code"] == "tool.egress")
    }
  }

  @Test func `a resume takes the runs below with it, and what is unknown in them is asked again`() async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "run", "with": ["plan": ["steps": [Self.post]]]]])
      try await engine.withWorker { _ = try await engine.follow(run) }
      let made = try await engine.database.execute("select id from agent_runs where parent_id is not null")
      let child = try #require(made.first.flatMap { $0 }.flatMap(UUID.init(uuidString:)))
      // As a stop leaves both, where the one below waited and the one above waited for it.
      try await engine.database.execute(
        """
        update agent_steps set status = 'cancelled', effect = case tool when 'run' then 'dispatched' else 'unknown' end
        """)
      try await resume(run, engine)
      try await goOn(child, engine)
      #expect(try await engine.status(child)["reason"]?["code"] == "run.unknown_effect")
      #expect(try await engine.database.execute("select count(*) from agent_runs") == ["2"])
    }
  }

  @Test func `a resume knows which calls were begun`() async throws {
    try await withTestDatabase { database in
      try await database.execute(
        """
        select set_config('request.jwt.claims', '{"role": "service_role"}', false);
        insert into agent_runs (plan) values ('{"steps": []}');
        update agent_runs set status = 'cancelled', completed_at = now();
        insert into agent_steps (run_id, attempt, step_id, tool, status, effect, epoch, failures, response)
          select id, 1, e, 'noop', 'cancelled', e, 1, 2, '{"decision": "approve"}'
          from agent_runs, unnest(array['dispatched', 'intent', 'none', 'unknown']) as e;
        select simplon.act_on_run(id, 'resume') from agent_runs
        """)
      let steps = try await database.execute(
        "select concat_ws(' ', step_id, status, failures, response ->> 'decision') from agent_steps order by step_id")
      #expect(
        steps == ["dispatched running 0 approve", "intent pending 0", "none pending 0", "unknown running 0 approve"])
    }
  }

  // MARK: What a person says

  @Test func `whoever says that it happened settles the step, with what it gave`() async throws {
    try await Engine.with { engine in
      let then: JSON = ["id": "then", "tool": "noop", "needs": ["post"], "with": ["got": "${{ steps.post.output }}"]]
      let run = try await asked([Self.post, then], engine)
      let hint = try await engine.status(run)["reason"]?["hint"]?.string
      #expect(hint?.contains("--step post --happened") == true)
      let last = try await engine.logs.start(of: run).lastSeq
      #expect(try await engine.respond(Self.happened, to: run) == "queued")
      #expect(await engine.refusal(Self.happened, to: run) == .runState)
      let done = try await engine.step("post", of: run)
      #expect(done["status"] == "completed" && done["effect"] == "settled" && done["output"] == ["id": 7])
      #expect(done["error"] == .null && done["completed_at"]?.string != nil)
      let said = done["response"]
      #expect(said?["decision"] == "happened" && said?["message"] == "seen" && said?["output"] == nil)
      #expect(said?["by"]?.string.flatMap { UUID(uuidString: $0) } == Engine.alice.subject)
      #expect(said?["role"] == "authenticated" && said?["at"]?.string != nil)

      let events = try await engine.withWorker { try await engine.follow(run, after: last) }
      #expect(try await engine.status(run)["status"] == "completed")
      #expect(try await engine.step("then", of: run)["output"] == ["got": ["id": 7]])
      #expect(events.map(\.seq) == Array(last + 1...last + Int64(events.count)))
      let told = try events.prefix(2).map { ($0.kind, try JSON(parsing: $0.payload)) }
      #expect(told.map(\.0) == ["step", "status"])
      #expect(told.first?.1 == ["step_id": "post", "status": "completed", "response": said ?? .null])
      #expect(told.last?.1["action"] == "respond" && told.last?.1["response"] == said)
      let audit = try await engine.database.execute(
        "select count(*) from observability_events where event = 'run.responded'")
      #expect(audit == ["1"])
    }
  }

  @Test func `what is not said to have given anything gave null`() async throws {
    try await Engine.with { engine in
      let run = try await asked([Self.post], engine)
      _ = try await engine.respond(["step_id": "post", "decision": "happened"], to: run)
      try await goOn(run, engine)
      #expect(try await engine.status(run)["status"] == "completed")
      #expect(try await engine.step("post", of: run)["output"] == .null)
    }
  }

  @Test func `whoever wants it done again has it done again, once`() async throws {
    try await Engine.with { engine in
      let run = try await asked([Self.post], engine)
      let again: JSON = ["step_id": "post", "decision": "again"]
      #expect(try await engine.respond(again, to: run) == "queued")
      #expect(await engine.refusal(again, to: run) == .runState)
      let waits = try await engine.step("post", of: run)
      #expect(waits["status"] == "pending" && waits["effect"] == "none" && waits["response"]?["decision"] == "again")
      // It is begun, and lost once more: then nobody has said anything yet.
      let claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
      var machine = RunMachine(
        plan: try Plan(json: ["steps": [Self.post]], tools: engine.tools.catalog),
        records: try await engine.heldRuns.steps(of: run, attempt: 1), run: [:])
      let turn = machine.turn()
      #expect(turn.starts.map(\.step.id) == ["post"])
      _ = try await engine.heldRuns.write([
        Settler.Entry(run: claim.held, attempt: 1, base: claim.nextSeq, turn: turn, lease: Lease())
      ])
      try await lose(run, engine)
      try await goOn(run, engine)
      #expect(try await engine.status(run)["reason"]?["code"] == "run.unknown_effect")
      #expect(try await engine.respond(again, to: run) == "queued")
      try await goOn(run, engine)
      #expect(try await engine.status(run)["error"]?["code"] == "tool.egress")
    }
  }

  @Test func `what is said of a call does not answer a question, nor the other way round`() async throws {
    try await Engine.with { engine in
      let run = try await asked([Self.post], engine)
      #expect(await engine.refusal(Self.happened, to: run, as: Engine.bob) == .runNotFound)
      for (name, value) in [("decision", "approve"), ("decision", "deny"), ("answer", "yes")] as [(String, JSON)] {
        let wrong: JSON = ["step_id": "post", name: value]
        #expect(await engine.refusal(wrong, to: run) == .requestInvalid)
      }
      #expect(await engine.refusal(["step_id": "post", "decision": "again", "attempt": 2], to: run) == .runState)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      #expect(await engine.refusal(Self.happened, to: run) == .runState)

      let other = try await engine.create([
        ["id": "order", "tool": "noop", "approval": true], ["id": "who", "tool": "ask", "with": ["question": "Who?"]],
      ])
      try await goOn(other, engine)
      for (id, decision) in [("order", "happened"), ("order", "again"), ("who", "happened")] {
        let said: JSON = ["step_id": .string(id), "decision": .string(decision)]
        #expect(await engine.refusal(said, to: other) == .requestInvalid)
      }
    }
  }

  @Test func `of two unknown calls each is asked about, and nothing said is written over`() async throws {
    try await Engine.with { engine in
      let run = try await asked([Self.post, Self.request("second", "PATCH")], engine)
      #expect(try await engine.respond(Self.happened, to: run) == "queued")
      let second: JSON = ["step_id": "second", "decision": "happened"]
      let claims = try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1)
      #expect(claims.map(\.held.id) == [run])
      #expect(await engine.refusal(second, to: run) == .runState)
      try await lose(run, engine)
      try await goOn(run, engine)
      let reason = try await engine.status(run)["reason"]
      #expect(reason?["code"] == "run.unknown_effect" && reason?["details"]?["steps"] == ["second"])
      #expect(try await engine.respond(second, to: run) == "queued")
      try await goOn(run, engine)
      #expect(try await engine.status(run)["status"] == "completed")
    }
  }
}
