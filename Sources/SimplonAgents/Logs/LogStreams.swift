package import FoundationEssentials
package import Logging
import Metrics
import ServiceLifecycle
import SimplonCore
package import SimplonPostgres
import Synchronization

/// Live events of runs for any number of readers, from one reader of the database per server.
///
/// Event numbers have no gap, so a subscriber knows by itself when something is missing (it came late, or was too slow
/// for its small buffer) and then reads the table from where it stands. So nobody is kept waiting by a slow reader, and
/// what a subscriber gets is the log, from any event on, once each.
package final class LogStreams: Service {
  /// Events read at once, for one run.
  static let page = 500
  /// Batches that wait for one subscriber before it has to read the table itself.
  private static let buffer = 16

  private struct Feed {
    /// The last event given to subscribers.
    var mark: Int64
    var subscribers: [Int: AsyncStream<[StoredEvent]>.Continuation] = [:]
  }

  private struct State {
    var feeds: [UUID: Feed] = [:]
    var nextID = 0
    var hints: Set<UUID> = []
    var isStopped = false
  }

  private let store: LogStore
  private let wakeUp: WakeUp
  private let sweepInterval: Duration
  private let logger: Logger
  private let state = Mutex(State())
  private let calls = Inbox<Void>()

  /// Puts the reader together.
  ///
  /// - Parameters:
  ///   - engine: a client whose sessions are `service_role`.
  ///   - wakeUp: tells which runs may have new events.
  ///   - sweepInterval: how often all followed runs are looked at without being told.
  ///   - logger: for trouble in the background.
  package init(
    engine: PostgresClient, wakeUp: WakeUp, sweepInterval: Duration = .milliseconds(250), logger: Logger
  ) {
    store = LogStore(client: engine)
    self.wakeUp = wakeUp
    self.sweepInterval = sweepInterval
    self.logger = logger
  }

  /// The run's events after a number, live, in batches; ends after a `done` that nothing follows, or when the server
  /// stops.
  ///
  /// - Parameters:
  ///   - run: a run that the caller may follow (``Runs/authorizeStream(of:after:as:)``).
  ///   - after: exclusive.
  /// - Returns: the batches.
  package func subscribe(to run: UUID, after: Int64) -> LogSubscription {
    LogSubscription(streams: self, run: run, last: after)
  }

  /// Reads for all subscribers until the process stops; then every stream ends.
  package func run() async throws {
    wakeUp.onRuns { runs in
      let isFollowed = self.state.withLock { state in
        let followed = runs.filter { state.feeds[$0] != nil }
        state.hints.formUnion(followed)
        return !followed.isEmpty
      }
      if isFollowed { self.calls.post(()) }
    }
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask {
          while !Task.isCancelled {
            try? await Task.sleep(for: self.sweepInterval)
            self.state.withLock { $0.hints.formUnion($0.feeds.keys) }
            self.calls.post(())
          }
        }
        var isDown = false
        while await !self.calls.take().isEmpty {
          do {
            try await self.readHinted()
            isDown = false
          } catch {
            // Once an outage, however often it is tried.
            if !isDown { self.logger.warning("streams wait for the database", metadata: ["error": "\(error)"]) }
            isDown = true
          }
          // What comes within this time is read at once.
          try? await Task.sleep(for: .milliseconds(10))
        }
        group.cancelAll()
      }
    }
    // Finishing one calls `leave`, so it is done outside of the lock.
    let left = state.withLock { state in
      state.isStopped = true
      defer { state.feeds = [:] }
      return state.feeds.values.flatMap(\.subscribers.values)
    }
    for subscriber in left { subscriber.finish() }
  }

  private func readHinted() async throws {
    var marks = state.withLock { state in
      defer { state.hints = [] }
      return state.feeds.filter { state.hints.contains($0.key) }.mapValues(\.mark)
    }
    while !marks.isEmpty {
      let events = try await store.events(above: marks, limit: Self.page)
      publish(events)
      marks = events.filter { $0.value.count == Self.page }.compactMapValues { $0.last?.seq }
    }
  }

  private func publish(_ events: [UUID: [StoredEvent]]) {
    state.withLock { state in
      for (run, batch) in events {
        guard let last = batch.last, var feed = state.feeds[run], last.seq > feed.mark else { continue }
        feed.mark = last.seq
        state.feeds[run] = feed
        for subscriber in feed.subscribers.values { subscriber.yield(batch) }
      }
    }
  }

  // MARK: For subscriptions

  /// Events after a number, from the table.
  func read(_ run: UUID, after: Int64) async throws -> [StoredEvent] {
    try await store.events(above: [run: after], limit: Self.page)[run] ?? []
  }

  /// Throws what is to be said to a reader for whom nothing more will come: `run.not_found`, `run.logs_expired`.
  func refuseExpired(_ run: UUID, after: Int64) async throws {
    try await store.start(of: run).refuseExpired(after)
  }

  /// Joins the live feed of a subscriber that stands at `last`.
  func join(_ run: UUID, last: Int64) -> AsyncStream<[StoredEvent]> {
    // The newest are kept: what a slow reader has missed shows in the next one that it gets, `done` at the latest.
    let (stream, continuation) = AsyncStream.makeStream(
      of: [StoredEvent].self, bufferingPolicy: .bufferingNewest(Self.buffer))
    let id = state.withLock { state -> Int? in
      guard !state.isStopped else { return nil }
      state.nextID += 1
      var feed = state.feeds[run] ?? Feed(mark: last)
      // One that stands behind the others makes them see numbers again, which they skip.
      feed.mark = min(feed.mark, last)
      feed.subscribers[state.nextID] = continuation
      state.feeds[run] = feed
      state.hints.insert(run)
      return state.nextID
    }
    if let id {
      continuation.onTermination = { [weak self] _ in self?.leave(run, id) }
      calls.post(())
    } else {
      continuation.finish()
    }
    return stream
  }

  private func leave(_ run: UUID, _ id: Int) {
    state.withLock { state in
      state.feeds[run]?.subscribers[id] = nil
      if state.feeds[run]?.subscribers.isEmpty == true { state.feeds[run] = nil }
    }
  }
}

/// One reader's events; see ``LogStreams/subscribe(to:after:)``.
///
/// It is read once, by one task.
package struct LogSubscription: AsyncSequence, Sendable {
  /// A batch, in order.
  package typealias Element = [StoredEvent]

  let streams: LogStreams
  let run: UUID
  let last: Int64

  package func makeAsyncIterator() -> Iterator { Iterator(streams: streams, run: run, last: last) }

  /// Reads the table until it is level, then the live feed, and the table again whenever a number is missing.
  package struct Iterator: AsyncIteratorProtocol {
    private let streams: LogStreams
    private let run: UUID
    private var last: Int64
    private var isBehind = true
    /// Whether the last event given was `done`.
    private var isDone = false
    private var live: AsyncStream<[StoredEvent]>.Iterator?

    init(streams: LogStreams, run: UUID, last: Int64) {
      self.streams = streams
      self.run = run
      self.last = last
    }

    /// The next batch; nil at the end.
    ///
    /// - Throws: `database.*`, `run.not_found` and `run.logs_expired`; the reader comes back with its last number.
    package mutating func next() async throws -> [StoredEvent]? {
      while isBehind || !isDone {
        if isBehind {
          let page = try await streams.read(run, after: last)
          isBehind = page.count == LogStreams.page
          if !page.isEmpty { return take(page) }
          if isDone { break }
          // One that has joined waits for what comes; what has gone past retention meanwhile never does.
          if live != nil { try await streams.refuseExpired(run, after: last) }
        }
        if live == nil {
          live = streams.join(run, last: last).makeAsyncIterator()
          // What was written between the reading and the joining is behind us.
          isBehind = true
          continue
        }
        guard let batch = await live?.next(isolation: #isolation) else { break }
        guard let first = batch.first else { continue }
        if first.seq - 1 > last {
          isBehind = true
        } else if let fresh = batch.firstIndex(where: { $0.seq > last }) {
          return take(Array(batch[fresh...]))
        }
      }
      return nil
    }

    private mutating func take(_ batch: [StoredEvent]) -> [StoredEvent] {
      last = batch.last?.seq ?? last
      isDone = batch.last?.kind == "done"
      return batch
    }
  }
}
