import FoundationEssentials
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// Reservations and caps in PostgreSQL itself.
///
/// The model `anthropic/m` costs 0.1 USD a token of input, 0.2 of output.
@Suite(.timeLimit(.minutes(1)))
struct LedgerTests {
  private static let model = ModelName(.anthropic, "m")

  private func with<R: Sendable>(_ body: @Sendable (Engine) async throws -> R) async throws -> R {
    try await Engine.with { engine in
      try await engine.database.execute("select simplon.set_price('anthropic/m', 100000, 200000)")
      return try await body(engine)
    }
  }

  /// A run of a prompt that a worker has claimed.
  private func claimed(
    _ engine: Engine, budget: JSON = [:], as caller: Principal = Engine.alice
  ) async throws -> ClaimedRun {
    _ = try await engine.runs.create(
      CreateRun(json: ["prompt": "x", "budget": budget]), idempotencyKey: nil, as: caller)
    return try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
  }

  /// Reserves so many tokens; gives the scope whose cap is in the way, nil when there is none.
  private func reserve(
    _ engine: Engine, _ run: HeldRun, _ caps: SpendingCaps = SpendingCaps(), id: UUID = UUID(), input: Int = 10,
    output: Int = 0, unbilled: [ModelCallEnd] = []
  ) async throws -> String? {
    do {
      try await LedgerStore(client: engine.client, caps: caps).reserve(
        LedgerStore.reservation(
          id, for: run, attempt: 1, stepID: "model.1", model: Self.model, tokens: (input, output), unbilled: unbilled))
      return nil
    } catch let error as SimplonError where error.code == .runBudget {
      return error.details?["scope"]?.string ?? "?"
    }
  }

  private func settle(_ engine: Engine, _ claim: ClaimedRun, _ run: HeldRun, _ end: ModelCallEnd) async throws -> Int {
    var turn = RunTurn(rows: [StepRow(step: Supervisor.question("model.1"), status: .completed, effect: "settled")])
    turn.bills = [end]
    return try await engine.heldRuns.write([
      Settler.Entry(run: run, attempt: 1, base: claim.nextSeq, turn: turn, lease: Lease())
    ]).count
  }

  private func reply(input: Int, output: Int) -> ModelReply {
    var usage = TokenUsage()
    usage.input = input
    usage.output = output
    return ModelReply(
      turn: ModelTurn(model: Self.model, blocks: [.text("hi")]), stop: .ended, usage: usage, requestID: nil)
  }

  @Test func `a cost has all of its digits`() async throws {
    try await with { engine in
      try await engine.database.execute("select simplon.set_price('openai/x', 0.15, 0.6, 0.075, 0.1875, 0.3)")
      let costs = try await engine.database.execute(
        """
        select simplon.cost_of(p, t.a, t.b, t.c, t.d, t.e) from simplon.model_prices p, (values
          (1, 1::bigint, 1::bigint, 1::bigint, 1::bigint, 1::bigint), (2, 3, 0, 0, 0, 0),
          (3, 1000000000, 1000000000, 1000000000, 1000000000, 1000000000)) as t (n, a, b, c, d, e)
        where p.model = 'openai/x' order by t.n
        """)
      #expect(costs == ["0.0000013125", "0.00000045", "1312.5"])
    }
  }

  @Test(arguments: [("call", 0), ("run", 20), ("tree", 5), ("user_day", 5), ("day", 5)])
  func `however many ask at once, no cap is passed`(_ scope: String, _ granted: Int) async throws {
    try await with { engine in
      var caps = SpendingCaps()
      switch scope {
      case "call": caps.call = "0.99"
      case "run": caps.run = "5.99"
      case "tree": caps.tree = "5.99"
      case "user_day": caps.userDay = "5.99"
      default: caps.day = "5.99"
      }
      var runs = [HeldRun]()
      for _ in 0..<4 { runs.append(try await claimed(engine).held) }
      let root = try #require(runs.first).id
      try await engine.database.execute("update agent_runs set parent_id = '\(root)' where id <> '\(root)'")
      let answers = try await withThrowingTaskGroup(of: String?.self) { [runs, caps] group in
        for run in runs { for _ in 0..<8 { group.addTask { try await reserve(engine, run, caps) } } }
        var answers = [String?]()
        for try await answer in group { answers.append(answer) }
        return answers
      }
      #expect(answers.count(where: { $0 == nil }) == granted)
      #expect(answers.compactMap(\.self).allSatisfy { $0 == scope })
      #expect(try await engine.database.execute("select count(*) from agent_model_calls") == ["\(granted)"])
      let reserved = try await engine.database.execute(
        "select coalesce(sum(reserved), 0) from simplon.spending where scope = 4")
      #expect(reserved == ["\(granted)"])
      if scope == "user_day" {
        #expect(try await reserve(engine, claimed(engine, as: Engine.bob).held, caps) == nil, "another user's day")
      }
    }
  }

  @Test func `a run's own budget holds for it and for all below it`() async throws {
    try await with { engine in
      let root = try await claimed(engine, budget: ["max_cost": 3, "max_cost_per_call": 2])
      let child = try await claimed(engine, budget: ["max_cost": 2])
      try await engine.database.execute(
        "update agent_runs set parent_id = '\(root.held.id)' where id = '\(child.held.id)'")
      #expect(try await reserve(engine, root.held, input: 21) == "call")
      #expect(try await reserve(engine, child.held, input: 21) == "run")
      #expect(try await reserve(engine, child.held, input: 20) == nil)
      #expect(try await reserve(engine, root.held, input: 11) == "tree")
      #expect(try await reserve(engine, root.held, input: 10) == nil)
    }
  }

  @Test func `a model without a price is refused under any cap, and asked without one`() async throws {
    try await with { engine in
      try await engine.database.execute("delete from simplon.model_prices")
      let free = try await claimed(engine)
      #expect(try await reserve(engine, free.held) == nil)
      let capped = try await claimed(engine, budget: ["max_cost": 1])
      let error = await #expect(throws: SimplonError.self) { try await reserve(engine, capped.held) }
      #expect(error?.code == .modelNoPrice)
      #expect(try await engine.database.execute("select reserved is null from agent_model_calls") == ["t"])
    }
  }

  @Test func `only who holds the run reserves, and the same reservation once`() async throws {
    try await with { engine in
      let claim = try await claimed(engine)
      let late = HeldRun(id: claim.held.id, epoch: claim.held.epoch - 1)
      let error = await #expect(throws: SimplonError.self) { try await reserve(engine, late) }
      #expect(error?.code == .runStale)
      let id = UUID()
      for _ in 0..<2 { _ = try await reserve(engine, claim.held, id: id) }
      #expect(try await engine.database.execute("select count(*) from agent_model_calls") == ["1"])
      #expect(try await engine.database.execute("select reserved from simplon.spending where scope = 1") == ["1"])
    }
  }

  @Test(arguments: [nil, "2", "0.99"])
  func `the write that begins a step reserves for its question, or only begins it where a cap is in the way`(
    _ cap: String?
  ) async throws {
    try await with { engine in
      let claim = try await claimed(engine)
      var caps = SpendingCaps()
      caps.run = cap
      let id = UUID()
      let early = EarlyReservation(
        id: id, model: Self.model,
        request: LedgerStore.reservation(
          id, for: claim.held, attempt: 1, stepID: "model.1", model: Self.model, tokens: (10, 0)), caps: caps.json)
      var turn = RunTurn(rows: [StepRow(step: Supervisor.question("model.1"), status: .running, effect: "dispatched")])
      turn.reservation = early
      let entry = Settler.Entry(run: claim.held, attempt: 1, base: claim.nextSeq, turn: turn, lease: Lease())
      #expect(early.take() == nil, "nobody has written it")
      #expect(try await engine.heldRuns.write([entry]).count == 1)
      #expect(try await engine.database.execute("select status from agent_steps") == ["running"])
      let isMade = cap != "0.99"
      let taken = early.take()
      #expect(taken?.id == (isMade ? id : nil))
      #expect(early.take() == nil, "it is one question's")
      #expect(
        try await engine.database.execute("select state from agent_model_calls") == (isMade ? ["reserved"] : []))
    }
  }

  @Test func `the write that settles a call reserves for the next, and the cap knows what the first one cost`()
    async throws
  {
    try await with { engine in
      let claim = try await claimed(engine, budget: ["max_cost": 2])
      let (first, second) = (UUID(), UUID())
      #expect(try await reserve(engine, claim.held, id: first, input: 15) == nil)
      #expect(try await reserve(engine, claim.held) == "run")
      var turn = RunTurn(rows: [StepRow(step: Supervisor.question("model.2"), status: .running, effect: "dispatched")])
      turn.bills = [ModelCallEnd(first, reply(input: 10, output: 0))]
      let early = EarlyReservation(
        id: second, model: Self.model,
        request: LedgerStore.reservation(
          second, for: claim.held, attempt: 1, stepID: "model.2", model: Self.model, tokens: (10, 0)), caps: [:])
      turn.reservation = early
      let entry = Settler.Entry(run: claim.held, attempt: 1, base: claim.nextSeq, turn: turn, lease: Lease())
      // Twice, as after a connection that broke: the second time changes nothing.
      for _ in 0..<2 { _ = try await engine.heldRuns.write([entry]) }
      #expect(early.take()?.id == second)
      #expect(
        try await engine.database.execute("select state from agent_model_calls order by state")
          == ["reserved", "settled"])
      #expect(
        try await engine.database.execute("select spent = 1 and reserved = 1 from simplon.spending where scope = 1")
          == ["t"])
    }
  }

  @Test func `what is reserved early and not sent, or was refused by the vendor, leaves its room to the next`()
    async throws
  {
    try await with { engine in
      let claim = try await claimed(engine, budget: ["max_cost": 1])
      let refused = UUID()
      #expect(try await reserve(engine, claim.held, id: refused) == nil)
      #expect(try await reserve(engine, claim.held) == "run")
      #expect(try await reserve(engine, claim.held, unbilled: [ModelCallEnd(unsent: refused)]) == nil)
      #expect(
        try await engine.database.execute("select state from agent_model_calls order by state")
          == ["released", "reserved"])
      #expect(try await engine.database.execute("select reserved from simplon.spending where scope = 1") == ["1"])
    }
  }

  @Test func `a call is settled with the step's write, once, and by nobody who has lost the run`() async throws {
    try await with { engine in
      let claim = try await claimed(engine)
      let id = UUID()
      _ = try await reserve(engine, claim.held, id: id, input: 10, output: 10)
      let end = ModelCallEnd(id, reply(input: 7, output: 2))
      try await engine.database.execute(
        """
        insert into agent_steps (run_id, attempt, step_id, user_id, position, tool, status, effect, epoch)
        select id, 1, 'model.1', user_id, 1, 'model', 'running', 'dispatched', 1 from agent_runs
        """)
      let late = HeldRun(id: claim.held.id, epoch: claim.held.epoch - 1)
      #expect(try await settle(engine, claim, late, end) == 0)
      #expect(try await engine.database.execute("select state from agent_model_calls") == ["reserved"])
      for _ in 0..<2 { #expect(try await settle(engine, claim, claim.held, end) == 1) }
      #expect(
        try await engine.database.execute(
          "select concat_ws(' ', state, basis, input, output, cost) from agent_model_calls")
          == ["settled usage 7 2 1.1"])
      #expect(
        try await engine.database.execute(
          "select distinct spent || ' ' || reserved from simplon.spending") == ["1.1 0"])
      let status = try await engine.status(claim.held.id, lists: [.steps])
      #expect(status["cost"] == .number("1.1"))
      #expect(status["steps"]?["items"]?.array?.map { $0["cost"] } == [.number("1.1")])
    }
  }

  @Test func `what a lost worker had reserved counts as it was reserved`() async throws {
    try await with { engine in
      let claim = try await claimed(engine)
      let ledger = LedgerStore(client: engine.client, caps: SpendingCaps())
      _ = try await reserve(engine, claim.held, input: 10, output: 5)
      #expect(try await ledger.settleLost() == 0, "it is under way")
      _ = try await engine.runs.act(.stop, on: claim.held.id, as: Engine.alice)
      #expect(try await ledger.settleLost() == 1)
      #expect(try await ledger.settleLost() == 0)
      #expect(
        try await engine.database.execute("select concat_ws(' ', state, basis, cost) from agent_model_calls")
          == ["settled assumed 2"])
      #expect(try await engine.status(claim.held.id)["cost"] == 2)
    }
  }

  @Test func `a run that is not over at its deadline is ended, and resumed with a later one`() async throws {
    try await with { engine in
      let claim = try await claimed(engine, budget: ["deadline": "2020-01-01T00:00:00+01:00"])
      let other = try await claimed(engine, budget: ["deadline": "2999-01-01T00:00:00Z"])
      let ledger = LedgerStore(client: engine.client, caps: SpendingCaps())
      #expect(try await ledger.endOverdue() == [claim.held.id])
      let status = try await engine.status(claim.held.id)
      #expect(status["status"] == "failed" && status["error"]?["code"] == "run.deadline")
      #expect(try await engine.status(other.held.id)["status"] == "running")
      let later = try Budget(json: ["deadline": "2999-01-01T00:00:00Z"])
      #expect(try await engine.runs.act(.resume, on: claim.held.id, within: later, as: Engine.alice) == "queued")
      #expect(try await ledger.endOverdue().isEmpty)
    }
  }

  @Test func `a run that waits for a cap goes on when it was raised, or when its day is over`() async throws {
    try await with { engine in
      let claim = try await claimed(engine)
      let reason: JSON = ["code": "budget", "message": "…", "details": ["amount": 4]]
      let turn = RunTurn(outcome: .waiting(reason: reason))
      _ = try await reserve(engine, claim.held)
      _ = try await engine.heldRuns.write([
        Settler.Entry(run: claim.held, attempt: 1, base: claim.nextSeq, turn: turn, lease: Lease())
      ])
      var caps = SpendingCaps()
      caps.userDay = "4.5"
      #expect(try await LedgerStore(client: engine.client, caps: caps).queueWithinCaps().isEmpty)
      try await engine.database.execute("update simplon.spending set day = day - 1 where scope in (3, 4)")
      #expect(try await LedgerStore(client: engine.client, caps: caps).queueWithinCaps() == [claim.held.id])
      #expect(try await engine.status(claim.held.id)["status"] == "queued")
    }
  }

  @Test(arguments: ["user_day", "day"])
  func `no more runs go on than their cap holds together`(_ scope: String) async throws {
    try await with { engine in
      let owners = [Engine.alice, Engine.alice, Engine.alice, Engine.bob]
      var claims = [ClaimedRun]()
      for owner in owners { claims.append(try await claimed(engine, as: owner)) }
      let reason: JSON = ["code": "budget", "message": "…", "details": ["amount": 4]]
      _ = try await engine.heldRuns.write(
        claims.map { claim in
          Settler.Entry(
            run: claim.held, attempt: 1, base: claim.nextSeq, turn: RunTurn(outcome: .waiting(reason: reason)),
            lease: Lease())
        })
      var caps = SpendingCaps()
      if scope == "day" { caps.day = "9" } else { caps.userDay = "9" }
      let queued = try await LedgerStore(client: engine.client, caps: caps).queueWithinCaps()
      #expect(queued.count == (scope == "day" ? 2 : 3))
      #expect(scope == "day" || queued.contains(claims[3].held.id))
      let left = try await engine.database.execute("select count(*) from agent_runs where status = 'waiting'")
      #expect(left == ["\(4 - queued.count)"])
    }
  }

  @Test func `a larger budget reaches the runs below, and those that wait for it go on`() async throws {
    try await with { engine in
      let root = try await claimed(engine, budget: ["max_cost": 1])
      let child = try await claimed(engine, budget: ["max_cost": 1])
      let reason: JSON = ["code": "budget", "message": "…", "details": ["amount": 4]]
      let turn = RunTurn(outcome: .waiting(reason: reason))
      _ = try await engine.heldRuns.write([
        Settler.Entry(run: child.held, attempt: 1, base: child.nextSeq, turn: turn, lease: Lease())
      ])
      try await engine.database.execute(
        "update agent_runs set parent_id = '\(root.held.id)' where id = '\(child.held.id)'")
      let more = try Budget(json: ["max_cost": 9])
      #expect(try await engine.runs.act(.resume, on: root.held.id, within: more, as: Engine.alice) == "running")
      let status = try await engine.status(child.held.id)
      #expect(status["status"] == "queued" && status["budget"] == ["max_cost": 9])
    }
  }
}
