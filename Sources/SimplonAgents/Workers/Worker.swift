import FoundationEssentials
package import Logging
import Metrics
import ServiceLifecycle
import SimplonCore
package import SimplonPostgres
import Synchronization

/// Claims runs and executes them, as many at once as it has slots.
///
/// Each process start is a worker of its own. It renews its leases three times per lease; a run whose lease is lost, or
/// that was stopped, is dropped with its sandboxes. On graceful shutdown it claims nothing more, lets running steps end
/// within the grace period, and hands unfinished runs back.
package final class Worker: Service {
  private let id = UUID()
  private let configuration: WorkerConfiguration
  private let queue: QueueStore
  private let runs: HeldRunStore
  private let ledger: LedgerStore
  private let upkeep: Upkeep
  private let webhooks: WebhookSender
  private let tools: ToolBox
  private let models: ModelRouter
  private let wakeUp: WakeUp
  private let settler: Settler
  private let logger: Logger
  private let held = Mutex<[HeldRun: Holding]>([:])
  private let isDraining = Mutex(false)
  /// Whether the database knows the caps; nothing is claimed before.
  private let hasSetCaps = Mutex(false)
  private let use = RecentUse()
  private let guards: SandboxGuards
  /// Reasons to look at the queue, or at whether all has ended.
  private let calls = Inbox<Void>()

  private struct Holding: Sendable {
    let lease: Lease
    let inbox: Inbox<RunExecution.Signal>
  }

  /// Puts a worker together.
  ///
  /// - Parameters:
  ///   - configuration: slots, lease and grace.
  ///   - engine: a client whose sessions are `service_role`.
  ///   - tools: what steps can call.
  ///   - models: what prompts are put to.
  ///   - wakeUp: tells it of new runs.
  ///   - logger: gets the worker's id on every line.
  package init(
    configuration: WorkerConfiguration, engine: PostgresClient, tools: ToolBox, models: ModelRouter, wakeUp: WakeUp,
    logger: Logger
  ) {
    self.configuration = configuration
    self.queue = QueueStore(client: engine)
    self.runs = HeldRunStore(client: engine)
    self.guards = SandboxGuards(folder: tools.sandbox.configuration.folder, queue: queue)
    self.ledger = LedgerStore(client: engine, caps: configuration.caps)
    self.tools = tools
    self.models = models
    self.wakeUp = wakeUp
    var logger = logger
    logger[metadataKey: "worker"] = "\(id.uuidString.lowercased())"
    self.logger = logger
    self.settler = Settler(store: runs, logger: logger)
    self.upkeep = Upkeep(
      client: engine, blobs: tools.blobs, configuration: configuration, logger: logger,
      sandbox: tools.sandbox.level)
    self.webhooks = WebhookSender(client: engine, allowsPrivate: configuration.webhooksAllowPrivate)
  }

  /// How many runs it holds now.
  package var running: Int { held.withLock { $0.count } }

  /// Works until graceful shutdown or cancellation.
  package func run() async throws {
    wakeUp.onQueue { self.calls.post(()) }
    await withGracefulShutdownHandler {
      await withDiscardingTaskGroup { group in
        group.addTask { await self.every(self.configuration.pollInterval) { self.calls.post(()) } }
        group.addTask { await self.every(self.configuration.lease / 3) { try await self.renew() } }
        group.addTask { await self.every(self.configuration.checkInterval) { try await self.checkHeld() } }
        group.addTask { await self.every(self.configuration.lease / 3) { try await self.recover() } }
        group.addTask { await self.every(self.configuration.lease / 3) { try await self.wakeParents() } }
        group.addTask { await self.every(self.configuration.lease / 3) { try await self.enforceBudgets() } }
        group.addTask {
          var isStart = true
          await self.every(.seconds(60)) {
            // The caps may be others since the start; later it is one worker's turn.
            if !isStart {
              guard try await self.upkeep.hasTurn(at: "take_up_capped", every: .seconds(55)) else { return }
            }
            try await self.takeUpCapped()
            isStart = false
          }
        }
        group.addTask {
          await self.every(max(self.configuration.lease, .seconds(2))) { try await self.guards.count() }
        }
        group.addTask { await self.every(.seconds(3600)) { try await self.upkeep.run() } }
        group.addTask { await self.every(.seconds(3600)) { try await self.takeUpPrompts() } }
        group.addTask { await self.every(.seconds(60)) { try await self.upkeep.watch() } }
        group.addTask { await self.every(.seconds(1)) { try await self.charge() } }
        group.addTask { await self.every(.seconds(2)) { try await self.fireSchedules() } }
        group.addTask { await self.every(.seconds(1)) { try await self.webhooks.deliver() } }
        while await !self.calls.take().isEmpty, !self.isDraining.withLock({ $0 }) {
          for (claim, holding) in await self.claim() { group.addTask { await self.execute(claim, holding) } }
        }
        // So that no run is said to wait for this one.
        group.addTask { try? await self.renew() }
        group.addTask {
          guard (try? await Task.sleep(for: self.configuration.grace)) != nil else { return }
          self.logger.notice("the grace period is over", metadata: ["runs": "\(self.running)"])
          self.tellAll(.handBack)
        }
        while self.running > 0, await !self.calls.take().isEmpty {}
        group.cancelAll()
      }
    } onGracefulShutdown: {
      self.isDraining.withLock { $0 = true }
      self.tellAll(.input(.drain))
      self.calls.post(())
    }
    // Where the database is away nobody waits for it: the worker's row says by itself when it is over.
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await self.queue.retire(self.id) }
      group.addTask { try? await Task.sleep(for: .seconds(2)) }
      await group.next()
      group.cancelAll()
    }
  }

  // MARK: Claiming

  private func claim() async -> [(ClaimedRun, Holding)] {
    let free = configuration.slots - running
    guard free > 0 else { return [] }
    let asked = Lease.now()
    do {
      if !hasSetCaps.withLock({ $0 }) {
        try await queue.setCaps(perUser: configuration.runsPerUser, total: configuration.runsTotal)
        hasSetCaps.withLock { $0 = true }
      }
      let claims = try await queue.claim(worker: id, lease: configuration.lease, slots: free)
      if QueueStore.mayHaveLeft(claims, slots: free) { calls.post(()) }
      return claims.map { claim in
        let holding = Holding(lease: Lease(name: claim.held.name), inbox: Inbox())
        holding.lease.extend(by: configuration.lease * 0.9, from: asked)
        held.withLock { $0[claim.held] = holding }
        if isDraining.withLock({ $0 }) { holding.inbox.post(.input(.drain)) }
        return (claim, holding)
      }
    } catch {
      logger.warning("claiming waits for the database", metadata: ["error": "\(error)"])
      return []
    }
  }

  private func execute(_ claim: ClaimedRun, _ holding: Holding) async {
    let execution = RunExecution(
      claim: claim, lease: holding.lease, inbox: holding.inbox, store: runs, settler: settler, tools: tools,
      models: models, wakeUp: wakeUp, use: use, intake: upkeep.intake, logger: logger,
      caps: configuration.caps, longestHold: configuration.longestHold)
    await execution.run()
    revoke(holding.lease)
    _ = held.withLock { $0.removeValue(forKey: claim.held) }
    Counter(label: "simplon_runs_executed_total").increment()
    calls.post(())
  }

  /// Tells the database what users have used, for whoever claims next.
  private func charge() async throws {
    let gathered = use.take()
    guard !gathered.isEmpty else { return }
    do {
      try await queue.charge(gathered)
    } catch {
      use.add(gathered)
      throw error
    }
  }

  // MARK: Leases

  private func renew() async throws {
    let before = held.withLock { $0 }
    let asked = Lease.now()
    let report = WorkerReport(
      id: id, name: configuration.name, version: configuration.version, slots: configuration.slots,
      running: before.count, sandbox: tools.sandbox.level.kind.rawValue, draining: isDraining.withLock { $0 })
    let answer = try await queue.renew(before.keys.map(\.id), report, lease: configuration.lease)
    for (run, holding) in before {
      if answer.held.contains(run) {
        holding.lease.extend(by: configuration.lease * 0.9, from: asked)
      } else {
        lose(run, holding)
      }
    }
    Gauge(label: "simplon_worker_running_runs").record(before.count)
    Gauge(label: "simplon_queue_ready_runs").record(answer.ready)
    Gauge(label: "simplon_queue_oldest_seconds").record(answer.oldest)
  }

  private func checkHeld() async throws {
    let before = held.withLock { $0 }
    guard !before.isEmpty else { return }
    let still = try await queue.held(by: id)
    for (run, holding) in before where !still.contains(run) { lose(run, holding) }
  }

  private func lose(_ run: HeldRun, _ holding: Holding) {
    revoke(holding.lease)
    holding.inbox.post(.lost)
  }

  /// Takes a lease back; one that had run out by itself is counted, once.
  private func revoke(_ lease: Lease) {
    if lease.deadline > 0, !lease.isValid { Counter(label: "simplon_leases_lost_total").increment() }
    lease.revoke()
  }

  /// Prompts that waited for a model go on where there is one.
  private func takeUpPrompts() async throws {
    guard models.has(nil) else { return }
    try await takeUp { try await queue.queuePrompts(for: models.names) }
  }

  private func wakeParents() async throws {
    guard try await upkeep.hasTurn(at: "wake_parents", every: configuration.lease / 3) else { return }
    try await takeUp { try await queue.wakeParents() }
  }

  /// Prompts that waited for their budget go on where it allows that.
  private func takeUpCapped() async throws {
    try await takeUp { try await ledger.queueWithinCaps() }
  }

  /// Ends what has passed its deadline, and settles what lost workers had reserved.
  private func enforceBudgets() async throws {
    let runs = try await ledger.endOverdue()
    if !runs.isEmpty {
      logger.notice("runs were ended at their deadline", metadata: ["runs": "\(runs.count)"])
      wakeUp.runsChanged(runs)
    }
    let calls = try await ledger.settleLost()
    if calls > 0 { logger.notice("calls of lost workers count as reserved", metadata: ["calls": "\(calls)"]) }
  }

  private func fireSchedules() async throws {
    if try await upkeep.fireSchedules() > 0 { wakeUp.runQueued() }
  }

  private func recover() async throws {
    try await takeUp {
      let runs = try await queue.recover()
      guard !runs.isEmpty else { return runs }
      logger.notice("runs whose worker was lost are queued again", metadata: ["runs": "\(runs.count)"])
      Counter(label: "simplon_runs_recovered_total").increment(by: runs.count)
      return runs
    }
  }

  /// Has runs queued, as often as there are as many as one statement queues, and tells of them.
  private func takeUp(_ queue: () async throws -> [UUID]) async throws {
    var runs: [UUID]
    repeat {
      runs = try await queue()
      guard !runs.isEmpty else { return }
      wakeUp.runQueued()
      wakeUp.runsChanged(runs)
    } while runs.count == 1000
  }

  private func tellAll(_ signal: RunExecution.Signal) {
    for holding in held.withLock({ Array($0.values) }) { holding.inbox.post(signal) }
  }

  private func every(_ interval: Duration, _ body: () async throws -> Void) async {
    var isDown = false
    while !Task.isCancelled {
      var pause = interval
      do {
        try await body()
        isDown = false
      } catch is CancellationError {
      } catch {
        // Once an outage, however often it is tried.
        if !isDown { logger.warning("upkeep waits for the database", metadata: ["error": "\(error)"]) }
        isDown = true
        pause = min(interval, .milliseconds(500))
      }
      try? await Task.sleep(for: pause)
    }
  }
}
