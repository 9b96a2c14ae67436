import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

/// Two processes on one database: nothing reaches the other one but through PostgreSQL.
@Suite(.timeLimit(.minutes(1)))
struct WakeUpTests {
  /// What another process beside the engine's was told.
  private struct Other: Sendable {
    let client: PostgresClient
    let wakeUp: WakeUp
    let queue = Inbox<Void>()
    let runs = Inbox<[UUID]>()
  }

  /// Gives the body another process, which listens by then if it is to.
  private func withOther(
    _ engine: Engine, listens: Bool, _ body: (Other) async throws -> Void
  ) async throws {
    var configuration = PostgresConfiguration(dsn: engine.database.worker)
    configuration.applicationName = "other"
    let client = PostgresClient(configuration: configuration, logger: engine.logger)
    let other = Other(client: client, wakeUp: WakeUp(client: client, listens: listens, logger: engine.logger))
    other.wakeUp.onQueue { other.queue.post(()) }
    other.wakeUp.onRuns { other.runs.post($0) }
    try await withThrowingTaskGroup { group in
      group.addTask { try await client.run() }
      group.addTask { try await other.wakeUp.run() }
      defer { group.cancelAll() }
      if listens {
        // Whoever begins to listen may have missed something, and says so.
        #expect(await other.queue.take().count == 1)
        #expect(await other.runs.take() == [[]])
      }
      try await body(other)
    }
  }

  /// How many sessions of the other process listen.
  private func listeners(_ engine: Engine) async throws -> [String?] {
    try await engine.database.execute(
      "select count(*) from pg_stat_activity where application_name = 'other' and query ilike '%listen%'")
  }

  @Test func `what one process tells reaches another, each kind by itself and however much it is`() async throws {
    try await Engine.with { engine in
      try await withOther(engine, listens: true) { other in
        let listening = try await listeners(engine)
        #expect(listening == ["1"])
        // More than one notification holds.
        let runs = Set((0..<450).map { _ in UUID() })
        engine.wakeUp.runsChanged(Array(runs))
        var told = [UUID]()
        while told.count < runs.count, case let more = await other.runs.take(), !more.isEmpty {
          told += more.flatMap(\.self)
        }
        #expect(told.count == runs.count && Set(told) == runs)
        engine.wakeUp.runQueued()
        #expect(await other.queue.take().count == 1)
      }
    }
  }

  @Test func `a process that cannot listen is heard, and hears itself alone`() async throws {
    try await Engine.with { engine in
      let heard = Mutex([UUID]())
      engine.wakeUp.onRuns { runs in heard.withLock { $0 += runs } }
      try await withOther(engine, listens: false) { other in
        let (own, foreign) = (UUID(), UUID())
        // What is told before the engine listens is lost.
        #expect(
          await eventually {
            other.wakeUp.runsChanged([own])
            return heard.withLock { $0.contains(own) }
          })
        engine.wakeUp.runsChanged([foreign])
        // At once, and as a notification: by then all who listen have it.
        #expect(await eventually { heard.withLock { $0.count { $0 == foreign } } == 2 })
        #expect(Set(await other.runs.take().flatMap(\.self)) == [own])
        let listening = try await listeners(engine)
        #expect(listening == ["0"])
      }
    }
  }

  /// By its notifications, with all looking so far off that no test sees it, or by looking alone.
  @Test(arguments: [true, false])
  func `readers in another process get each event as it is written`(listens: Bool) async throws {
    try await Engine.with { engine in
      let run = try await engine.create([["id": "a", "tool": "noop"]], start: false)
      try await withOther(engine, listens: listens) { other in
        let streams = LogStreams(
          engine: other.client, wakeUp: other.wakeUp, sweepInterval: listens ? .seconds(3600) : .milliseconds(20),
          logger: engine.logger)
        try await withThrowingTaskGroup { group in
          group.addTask { try await streams.run() }
          defer { group.cancelAll() }
          var reader = streams.subscribe(to: run, after: 0).makeAsyncIterator()
          #expect(try await reader.next()?.map(\.seq) == [1])
          // The first ones may still be found while the reader joins.
          for number in 2...6 as ClosedRange<Int64> {
            try await engine.write(1, to: run)
            #expect(try await reader.next()?.map(\.seq) == [number])
          }
        }
      }
    }
  }

  @Test(arguments: [true, false])
  func `a worker in another process takes each run as it is made`(listens: Bool) async throws {
    try await Engine.with { engine in
      try await withOther(engine, listens: listens) { other in
        var configuration = WorkerConfiguration(name: "other", version: "0")
        configuration.pollInterval = listens ? .seconds(3600) : .milliseconds(20)
        let worker = Worker(
          configuration: configuration, engine: other.client, tools: engine.tools, models: ModelRouter([]),
          wakeUp: other.wakeUp,
          logger: engine.logger)
        try await withThrowingTaskGroup { group in
          group.addTask { try await worker.run() }
          defer { group.cancelAll() }
          // It looks once as it starts, and again whenever a run has ended.
          for _ in 0..<5 {
            let events = try await engine.follow(try await engine.create([["id": "a", "tool": "noop"]]))
            #expect(events.last?.payload.contains("completed") == true)
          }
        }
      }
    }
  }
}
