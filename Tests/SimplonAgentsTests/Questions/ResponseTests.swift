import Foundation
import SimplonCluster
import SimplonCore
import SimplonIdentity
import TestSupport
import Testing

@testable import SimplonAgents

/// Questions and responses on a real PostgreSQL: whoever comes first has the word, and nothing that was said is lost.
@Suite(.timeLimit(.minutes(1)))
struct ResponseTests {
  private static let order: JSON = ["id": "order", "tool": "noop", "with": ["n": 1], "approval": true]
  private static let other: JSON = ["id": "other", "tool": "noop"]
  private static let question: JSON = [
    "id": "who", "tool": "ask", "with": ["question": "Who?", "choices": ["Ada", "Eve"]],
  ]
  private static let approve: JSON = ["step_id": "order", "decision": "approve"]

  private func isParked(_ event: StoredEvent) -> Bool {
    event.kind == "status" && event.payload.contains("\"waiting\"")
  }

  /// A run that waits for a person.
  private func parked(_ steps: JSON, _ engine: Engine) async throws -> UUID {
    let run = try await engine.create(steps)
    try await engine.wait(for: run, until: isParked)
    return run
  }

  /// A run that a worker has, and what it takes to go on with it by hand.
  private struct Held {
    let run: UUID
    let claim: ClaimedRun
    var machine: RunMachine
    let settler: Settler
    let lease = Lease()
    var base: Int64

    init(_ steps: JSON, _ engine: Engine) async throws {
      run = try await engine.create(steps)
      claim = try #require(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).first)
      machine = RunMachine(
        plan: try Plan(json: ["steps": steps], tools: engine.tools.catalog), records: [], run: [:])
      settler = Settler(store: engine.heldRuns, logger: engine.logger)
      base = claim.nextSeq
      lease.extend(by: .seconds(60), from: Lease.now())
      try await turn([])
    }

    mutating func turn(_ inputs: [RunMachine.Input]) async throws {
      var turn = machine.turn(after: inputs)
      turn.events += turn.outcome?.events ?? []
      base = try await settler.write(
        Settler.Entry(run: claim.held, attempt: claim.attempt, base: base, turn: turn, lease: lease))
    }

    /// The other step ends.
    mutating func end() async throws {
      try await turn([.ended(StepEnd(stepID: "other", output: [:], error: nil, layerHash: nil, jitter: 1))])
    }
  }

  @Test func `a response to the question of another attempt is refused`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await parked([["id": "order", "tool": "noop", "approval": true]], engine)
        let said: JSON = ["step_id": "order", "decision": "approve", "attempt": 2]
        #expect(await engine.refusal(said, to: run) == .runState)
        _ = try await engine.respond(["step_id": "order", "decision": "approve", "attempt": 1], to: run)
        _ = try await engine.follow(run)
        let response = try await engine.step("order", of: run)["response"]
        #expect(response?["decision"] == "approve" && response?["attempt"] == nil)
      }
    }
  }

  @Test func `an approved call goes from intent to done, and who approved it is told`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await parked([Self.order], engine)
        let found = try await engine.status(run)
        #expect(found["status"] == "waiting" && found["reason"]?["code"] == "approval")
        #expect(found["reason"]?["details"]?["step_id"] == "order")
        #expect(found["reason"]?["details"]?["expires_at"]?.string != nil)
        #expect(try await JSON(parsing: engine.runs.why(run, as: Engine.alice)) == found["reason"])
        let asked = try await engine.step("order", of: run)
        #expect(asked["status"] == "waiting" && asked["effect"] == "intent" && asked["input"] == ["n": 1])
        #expect(asked["expires_at"]?.string != nil && asked["response"] == .null)

        #expect(await engine.refusal(Self.approve, to: run, as: Engine.bob) == .runNotFound)
        #expect(await engine.refusal(["step_id": "nothing", "decision": "deny"], to: run) == .runState)
        #expect(await engine.refusal(["step_id": "order", "answer": "yes"], to: run) == .requestInvalid)
        #expect(try await engine.respond(Self.approve, to: run) == "queued")
        let events = try await engine.follow(run)
        #expect(try await engine.status(run)["status"] == "completed")
        #expect(await engine.refusal(Self.approve, to: run) == .runState)

        let done = try await engine.step("order", of: run)
        #expect(done["response"]?["decision"] == "approve" && done["response"]?["role"] == "authenticated")
        #expect(done["response"]?["by"]?.string.flatMap { UUID(uuidString: $0) } == Engine.alice.subject)
        #expect(done["response"]?["at"]?.string != nil && done["expires_at"] == .null)
        let begun = try #require(events.first { $0.kind == "step" && $0.payload.contains("\"running\"") })
        #expect(try JSON(parsing: begun.payload)["response"] == done["response"])
        #expect(events.map(\.seq) == Array(1...Int64(events.count)))
        let audit = try await engine.database.execute(
          "select actor_id from observability_events where event = 'run.responded'")
        #expect(audit.count == 1)
      }
    }
  }

  @Test func `an answer is checked against its question and becomes the step's output`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await parked([Self.question], engine)
        #expect(await engine.refusal(["step_id": "who", "answer": "Bob"], to: run) == .requestInvalid)
        #expect(await engine.refusal(["step_id": "who", "decision": "approve"], to: run) == .requestInvalid)
        _ = try await engine.respond(["step_id": "who", "answer": "Eve"], to: run, as: Engine.service)
        _ = try await engine.follow(run)
        let done = try await engine.step("who", of: run)
        #expect(done["output"] == ["answer": "Eve", "by": nil] && done["status"] == "completed")
        #expect(done["response"]?["role"] == "service_role")
      }
    }
  }

  @Test func `of two responses at once one counts`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await parked([Self.order], engine)
        let codes = await withTaskGroup(of: String.self, returning: [String].self) { group in
          for decision in ["approve", "deny", "approve", "deny"] as [JSON] {
            group.addTask {
              do {
                return try await engine.respond(["step_id": "order", "decision": decision], to: run)
              } catch { return (error as? SimplonError)?.code.rawValue ?? "\(error)" }
            }
          }
          var codes = [String]()
          for await code in group { codes.append(code) }
          return codes
        }
        #expect(codes.sorted() == ["queued", "run.state", "run.state", "run.state"])
      }
    }
  }

  @Test func `when the time is over the step fails, and a response comes too late`() async throws {
    for (steps, response, code) in [
      ([Self.order], Self.approve, "tool.denied"),
      ([Self.question], ["step_id": "who", "answer": "Ada"], "tool.unanswered"),
    ] as [(JSON, JSON, JSON)] {
      try await Engine.with { engine in
        let run = try await engine.withWorker { try await parked(steps, engine) }
        try await engine.database.execute("update agent_steps set retry_at = now() - interval '1 second'")
        // Nobody has looked yet, and still it is too late.
        #expect(await engine.refusal(response, to: run) == .runState)
        try await engine.database.execute("update agent_task_queue set ready_at = now()")
        try await engine.withWorker { _ = try await engine.follow(run) }
        #expect(try await engine.status(run)["error"]?["code"] == code)
        #expect(await engine.refusal(response, to: run) == .runState)
        // Nothing is asked any more, so nothing is held against it.
        guard response["answer"] != nil else { return }
        #expect(await engine.refusal(["step_id": "who", "answer": 5], to: run) == .runState)
      }
    }
  }

  @Test func `a run that waits stands in the queue for the moment at which its time is over`() async throws {
    try await Engine.with { engine in
      _ = try await engine.withWorker { try await parked([Self.order], engine) }
      let rows = try await engine.database.execute(
        "select q.ready_at = s.retry_at from agent_task_queue q join agent_steps s using (run_id)")
      #expect(rows == ["t"])
      #expect(try await engine.queue.claim(worker: UUID(), lease: .seconds(60), slots: 1).isEmpty)
    }
  }

  @Test func `what is said while a worker has the run is neither lost nor taken from its numbers`() async throws {
    try await Engine.with { engine in
      var held = try await Held([Self.order, Self.other], engine)
      let why = try await JSON(parsing: engine.runs.why(held.run, as: Engine.alice))
      #expect(why["details"]?["steps_waiting_for_a_person"] == ["order"])
      #expect(try await engine.respond(Self.approve, to: held.run) == "running")
      #expect(await engine.refusal(Self.approve, to: held.run) == .runState)
      let heard = try await engine.heldRuns.responses(of: held.run, attempt: 1)
      #expect(heard["order"]?.isApproval == true)
      // The worker has not looked, and puts the run aside: it is queued in the same commit.
      try await held.end()
      #expect(try await engine.status(held.run)["status"] == "waiting")
      try await engine.withWorker { _ = try await engine.follow(held.run) }
      #expect(try await engine.status(held.run)["status"] == "completed")
      let audit = try await engine.database.execute(
        "select count(*) from observability_events where event = 'run.responded'")
      #expect(audit == ["1"])
    }
  }

  @Test func `a worker takes in a response while its other steps are at work`() async throws {
    try await Engine.with { engine in
      let mark = uniqueMark()
      let steps: JSON = [Self.order, ["id": "long", "tool": "shell", "with": ["command": .string("sleep \(mark)")]]]
      let run = try await engine.create(steps)
      try await engine.withWorker {
        try await engine.wait(for: run) { $0.kind == "step" && $0.payload.contains("\"long\"") }
        #expect(try await engine.respond(Self.approve, to: run) == "running")
        try await engine.wait(for: run) {
          $0.kind == "step" && $0.payload.contains("\"order\"") && $0.payload.contains("\"completed\"")
        }
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      }
    }
  }

  @Test func `a worker that dies keeps nobody from being heard, and nobody is asked twice`() async throws {
    try await Engine.with { engine in
      let held = try await Held([Self.order, Self.other], engine)
      _ = try await engine.respond(Self.approve, to: held.run)
      try await engine.database.execute("update simplon.run_state set lease_until = now() - interval '1 second'")
      #expect(try await engine.queue.recover() == [held.run])
      try await engine.withWorker { _ = try await engine.follow(held.run) }
      #expect(try await engine.status(held.run)["status"] == "completed")
      let asked = try await engine.events(of: held.run).filter { $0.payload.contains("\"expires_in_ms\"") }
      #expect(asked.count == 1)
    }
  }

  @Test func `a stopped run asks nobody, and asks again when it is resumed`() async throws {
    try await Engine.with { engine in
      try await engine.withWorker {
        let run = try await parked([Self.order], engine)
        _ = try await engine.respond(["step_id": "order", "decision": "deny", "message": "no"], to: run)
        _ = try await engine.follow(run)
        #expect(try await engine.status(run)["error"]?["code"] == "tool.denied")
        let last = try #require(try await engine.events(of: run).last).seq
        _ = try await engine.runs.act(.resume, on: run, as: Engine.alice)
        try await engine.wait(for: run, after: last, until: isParked)
        #expect(try await engine.step("order", of: run)["response"] == .null)
        _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
        #expect(await engine.refusal(Self.approve, to: run) == .runState)
        #expect(try await engine.database.execute("select count(*) from agent_task_queue") == ["0"])
        let stopped = try #require(try await engine.events(of: run).last).seq
        _ = try await engine.runs.act(.retry, on: run, as: Engine.alice)
        try await engine.wait(for: run, after: stopped, until: isParked)
        #expect(try await engine.respond(Self.approve, to: run) == "queued")
      }
    }
  }

  @Test func `callers reach the responses by no other way`() async throws {
    try await Engine.with { engine in
      for statement in [
        "update agent_steps set response = '{}'", "select simplon.hear_responses(gen_random_uuid(), 1)",
        "select simplon.park_for_person()",
      ] {
        await #expect(throws: (any Error).self, "\(statement)") {
          try await engine.database.execute("set role authenticated; \(statement)", as: .api)
        }
      }
    }
  }
}

extension Engine {
  /// Every event of a run so far.
  fileprivate func events(of run: UUID) async throws -> [StoredEvent] {
    try await runs.logs(of: run, after: 0, limit: 1000, level: nil, as: Engine.alice)
  }
}
