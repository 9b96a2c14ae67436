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
    var subscribers: [Int: AsyncStream<[LogEvent]>.Continuation] = [:]
  }

  private struct State {
    var feeds: [UUID: Feed] = [:]
    var nextID = 0
    var hints: Set<UUID> = []
    var isStopped = false
  }

  private let queue: QueueStore
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
    queue = QueueStore(client: engine)
    self.wakeUp = wakeUp
    self.sweepInterval = sweepInterval
    self.logger = logger
  }

  /// The run's events after a number, live, in batches; ends after a `done` that nothing follows, or when the server
  /// stops.
  ///
  /// - Parameters:
  ///   - run: a run that the caller may follow (``Runs/authorizeStream(of:as:)``).
  ///   - after: exclusive; at most the run's last number.
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
        while await !self.calls.take().isEmpty {
          await self.readHinted()
          // What comes within this time is read at once.
          try? await Task.sleep(for: .milliseconds(10))
        }
        group.cancelAll()
      }
    }
    state.withLock { state in
      state.isStopped = true
      for feed in state.feeds.values { for subscriber in feed.subscribers.values { subscriber.finish() } }
      state.feeds = [:]
    }
  }

  private func readHinted() async {
    var marks = state.withLock { state in
      defer { state.hints = [] }
      return state.feeds.filter { state.hints.contains($0.key) }.mapValues(\.mark)
    }
    while !marks.isEmpty {
      do {
        let events = try await queue.events(above: marks, limit: Self.page)
        publish(events)
        marks = events.filter { $0.value.count == Self.page }.compactMapValues { $0.last?.seq }
      } catch {
        return logger.warning("streams wait for the database", metadata: ["error": "\(error)"])
      }
    }
  }

  private func publish(_ events: [UUID: [LogEvent]]) {
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
  func read(_ run: UUID, after: Int64) async throws -> [LogEvent] {
    try await queue.events(above: [run: after], limit: Self.page)[run] ?? []
  }

  /// Joins the live feed of a subscriber that stands at `last`.
  func join(_ run: UUID, last: Int64) -> AsyncStream<[LogEvent]> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: [LogEvent].self, bufferingPolicy: .bufferingOldest(Self.buffer))
    let id = state.withLock { state -> Int in
      state.nextID += 1
      if state.isStopped {
        continuation.finish()
      } else {
        state.feeds[run, default: Feed(mark: last)].subscribers[state.nextID] = continuation
        state.hints.insert(run)
      }
      return state.nextID
    }
    continuation.onTermination = { [weak self] _ in self?.leave(run, id) }
    calls.post(())
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
  package typealias Element = [LogEvent]

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
    private var isOver = false
    private var live: AsyncStream<[LogEvent]>.Iterator?

    init(streams: LogStreams, run: UUID, last: Int64) {
      self.streams = streams
      self.run = run
      self.last = last
    }

    /// The next batch; nil at the end.
    ///
    /// - Throws: `database.*`; the reader comes back with its last number.
    package mutating func next() async throws -> [LogEvent]? {
      while !isOver {
        if isBehind {
          let page = try await streams.read(run, after: last)
          isBehind = page.count == LogStreams.page
          if !page.isEmpty { return take(page) }
        }
        if live == nil {
          live = streams.join(run, last: last).makeAsyncIterator()
          // What was written between the reading and the joining is behind us.
          isBehind = true
          continue
        }
        guard let batch = await live?.next(isolation: #isolation) else { break }
        guard let first = batch.first else { continue }
        if first.seq > last + 1 {
          isBehind = true
        } else if let fresh = batch.firstIndex(where: { $0.seq > last }) {
          return take(Array(batch[fresh...]))
        }
      }
      return nil
    }

    private mutating func take(_ batch: [LogEvent]) -> [LogEvent] {
      last = batch.last?.seq ?? last
      isOver = batch.last?.kind == "done" && !isBehind
      return batch
    }
  }
}
