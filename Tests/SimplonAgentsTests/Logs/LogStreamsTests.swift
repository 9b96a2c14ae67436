import Foundation
import SimplonCore
import SimplonIdentity
import SimplonPostgres
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1)))
struct LogStreamsTests {
  private func makeRun(of engine: Engine) async throws -> UUID {
    try await engine.create([["id": "a", "tool": "noop"]], start: false)
  }

  @Test func `the greatest number of all is a place like any other`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      #expect(try await engine.runs.logs(of: run, after: .max, limit: 9, level: nil, as: Engine.alice) == [])
      #expect(try await engine.runs.authorizeStream(of: run, after: .max, as: Engine.alice) == 1)
      #expect(try await engine.logs.events(above: [run: .max], limit: 9).isEmpty)
      // A reader there is given nothing, and its end.
      try await withThrowingTaskGroup { group in
        let streams = LogStreams(engine: engine.client, wakeUp: engine.wakeUp, logger: engine.logger)
        let service = Task { try await streams.run() }
        group.addTask { for try await _ in streams.subscribe(to: run, after: .max) { Issue.record("nothing follows") } }
        try await engine.write(1, to: run)
        try await engine.wait(for: run) { $0.seq == 2 }
        service.cancel()
        try await group.waitForAll()
      }
    }
  }

  @Test func `when the server stops, every open stream ends`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      let streams = LogStreams(engine: engine.client, wakeUp: engine.wakeUp, logger: engine.logger)
      try await withThrowingTaskGroup { group in
        let service = Task { try await streams.run() }
        let (begun, continuation) = AsyncStream.makeStream(of: Void.self)
        for _ in 0..<3 {
          group.addTask {
            for try await _ in streams.subscribe(to: run, after: 0) { continuation.yield() }
          }
        }
        var batches = begun.makeAsyncIterator()
        for _ in 0..<3 { await batches.next() }
        // Whoever gets this one has joined the live feed.
        try await engine.write(1, to: run)
        for _ in 0..<3 { await batches.next() }
        service.cancel()
        try await group.waitForAll()
      }
    }
  }

  @Test(arguments: [499, 999]) func `a stream whose last page is full ends`(_ count: Int) async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      try await engine.write(count, to: run, done: true)
      #expect(try await engine.follow(run).count == count + 1)
    }
  }

  @Test func `a reader that slept through more than is kept for it gets everything, the end included`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      var asleep = engine.streams.subscribe(to: run, after: 0).makeAsyncIterator()
      var seen = try #require(try await asleep.next()).map(\.seq)
      let live = engine.streams.join(run, last: 1)
      var awake = live.makeAsyncIterator()
      // Joins the live feed, and is then too slow for it.
      try await engine.write(1, to: run)
      seen += try #require(try await asleep.next()).map(\.seq)
      _ = await awake.next(isolation: #isolation)
      for _ in 0..<40 {
        try await engine.write(1, to: run)
        _ = await awake.next(isolation: #isolation)
      }
      try await engine.write(1, to: run, done: true)
      _ = await awake.next(isolation: #isolation)
      while let batch = try await asleep.next() { seen += batch.map(\.seq) }
      #expect(seen == Array(1...43))
    }
  }

  @Test func `a reader beyond the end does not starve the others`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      let beyond = engine.streams.join(run, last: 1_000_000)
      try await withThrowingTaskGroup { group in
        group.addTask {
          let seen = try await engine.follow(run).map(\.seq)
          #expect(seen == [1, 2, 3])
        }
        // The events come when the second reader waits for them.
        try await engine.wait(for: run) { $0.seq == 1 }
        try await engine.write(1, to: run)
        try await engine.wait(for: run) { $0.seq == 2 }
        try await engine.write(1, to: run, done: true)
        try await group.waitForAll()
      }
      _ = beyond
    }
  }

  @Test(arguments: [
    ("delete from agent_runs", SimplonError.Code.runNotFound),
    ("set session_replication_role = replica; delete from agent_task_logs", .runLogsExpired),
  ])
  func `a reader whose next events go past retention is told so and does not wait for them`(
    _ deletion: String, _ code: SimplonError.Code
  ) async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      try await engine.write(999, to: run, done: true)
      var reader = engine.streams.subscribe(to: run, after: 0).makeAsyncIterator()
      #expect(try await reader.next()?.count == LogStreams.page)
      try await engine.database.execute(deletion)
      let error = await #expect(throws: SimplonError.self) { try await reader.next() }
      #expect(error?.code == code)
    }
  }

  @Test func `a page of a run that is gone when the page is read is no empty page`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      try await engine.database.execute("delete from simplon.run_state")
      let error = await #expect(throws: SimplonError.self) {
        try await engine.runs.logs(of: run, after: 1, limit: 9, level: nil, as: Engine.alice)
      }
      #expect(error?.code == .runNotFound)
    }
  }

  @Test func `a stream is authorised from a number that is there`() async throws {
    try await Engine.with { engine in
      let run = try await makeRun(of: engine)
      try await engine.write(4, to: run)
      #expect(try await engine.runs.authorizeStream(of: run, after: 3, as: Engine.alice) == 3)
      #expect(try await engine.runs.authorizeStream(of: run, after: 99, as: Engine.alice) == 5)
      let foreign = await #expect(throws: SimplonError.self) {
        try await engine.runs.authorizeStream(of: run, after: 0, as: Engine.bob)
      }
      #expect(foreign?.code == .runNotFound)
      try await engine.database.execute(
        "set session_replication_role = replica; delete from agent_task_logs where seq < 3")
      let expired = await #expect(throws: SimplonError.self) {
        try await engine.runs.authorizeStream(of: run, after: 1, as: Engine.alice)
      }
      #expect(expired?.details == ["oldest_seq": 3])
      #expect(try await engine.runs.authorizeStream(of: run, after: 2, as: Engine.alice) == 2)
      _ = try await engine.runs.act(.stop, on: run, as: Engine.alice)
      #expect(try await engine.runs.authorizeStream(of: run, after: 5, as: Engine.alice) == 5)
      #expect(try await engine.runs.authorizeStream(of: run, after: 6, as: Engine.alice) == nil)
    }
  }
}
