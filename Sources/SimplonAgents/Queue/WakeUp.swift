package import FoundationEssentials
package import Logging
import ServiceLifecycle
import SimplonCore
package import SimplonPostgres
import Synchronization

/// Carries "something happened" between the parts of a process at once, and between processes by NOTIFY.
///
/// It is a hint and nothing more: whoever is woken reads the tables, and polls them now and then in any case. NOTIFY
/// takes a lock that all writers share, so it never rides in a writing transaction: what gathers within ten
/// milliseconds goes out as one statement of its own.
package final class WakeUp: Service {
  private static let queueChannel = "simplon_queue"
  private static let runsChannel = "simplon_runs"

  private struct State {
    var queueListeners: [@Sendable () -> Void] = []
    var runsListeners: [@Sendable ([UUID]) -> Void] = []
  }

  private enum Note: Sendable { case queue, runs([UUID]) }

  private let client: PostgresClient
  private let listens: Bool
  private let logger: Logger
  private let state = Mutex(State())
  private let notes = Inbox<Note>()

  /// Makes the carrier.
  ///
  /// - Parameters:
  ///   - client: the engine's client.
  ///   - listens: false behind a transaction pooler, where there is no LISTEN.
  ///   - logger: for trouble in the background.
  package init(client: PostgresClient, listens: Bool, logger: Logger) {
    self.client = client
    self.listens = listens
    self.logger = logger
  }

  /// A run can be claimed.
  package func runQueued() {
    tellQueue()
    notes.post(.queue)
  }

  /// Runs have new events, or were stopped.
  package func runsChanged(_ runs: [UUID]) {
    tellRuns(runs)
    notes.post(.runs(runs))
  }

  /// Calls back whenever a run may be claimable.
  ///
  /// The callback must not wait.
  func onQueue(_ callback: @escaping @Sendable () -> Void) { state.withLock { $0.queueListeners.append(callback) } }

  /// Calls back with the runs that may have changed.
  ///
  /// The callback must not wait.
  func onRuns(_ callback: @escaping @Sendable ([UUID]) -> Void) { state.withLock { $0.runsListeners.append(callback) } }

  /// Sends and receives notifications until the process stops.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await self.send() }
        if self.listens { group.addTask { await self.receive() } }
      }
    }
  }

  private func send() async {
    while !Task.isCancelled {
      let notes = await notes.take()
      guard !notes.isEmpty else { return }
      var runs = Set<UUID>()
      var queue = false
      for note in notes {
        switch note {
        case .queue: queue = true
        case .runs(let changed): runs.formUnion(changed)
        }
      }
      do {
        // Nothing here has to survive, so nobody waits for the disk.
        var queries: [PostgresQuery] = ["select set_config('synchronous_commit', 'off', true)"]
        if queue { queries.append("select pg_notify(\(Self.queueChannel), '')") }
        // A payload holds at most 8,000 bytes: 200 ids.
        var rest = runs.map { $0.uuidString }[...]
        while !rest.isEmpty {
          queries.append("select pg_notify(\(Self.runsChannel), \(rest.prefix(200).joined(separator: ",")))")
          rest = rest.dropFirst(200)
        }
        try await client.transaction(queries)
      } catch {
        logger.debug("notification was not sent", metadata: ["error": "\(error)"])
      }
      try? await Task.sleep(for: .milliseconds(10))
    }
  }

  private func receive() async {
    do {
      for try await event in client.listen(to: [Self.queueChannel, Self.runsChannel]) {
        switch event {
        case .notification(channel: Self.runsChannel, let payload):
          tellRuns(payload.split(separator: ",").compactMap { UUID(uuidString: String($0)) })
        case .notification: tellQueue()
        case .mayHaveMissed:
          tellQueue()
          tellRuns([])
        }
      }
    } catch {
      guard !Task.isCancelled else { return }
      logger.warning("notifications are not received; polling goes on", metadata: ["error": "\(error)"])
    }
  }

  private func tellQueue() {
    for listener in state.withLock({ $0.queueListeners }) { listener() }
  }

  private func tellRuns(_ runs: [UUID]) {
    for listener in state.withLock({ $0.runsListeners }) { listener(runs) }
  }
}
