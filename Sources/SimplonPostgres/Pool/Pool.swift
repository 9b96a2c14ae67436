import Logging
import SimplonCore
import Synchronization

/// Owns all connections, on the event loop: performs what ``PoolState`` decides and moves requests to connections.
actor Pool {
  enum Command: Sendable {
    case start
    case stop(Call<Void, Void>)
    case stopNow
    case request(Request)
    case cancel(Request)
    case lease(Call<Void, Void>, id: Int)
    case forgetLease(id: Int)
    case giveBack(lease: Int)
    indirect case listen(id: Int, Mailbox, channels: [String])
    case unlisten(id: Int)
    indirect case opened(connection: Int, Result<Link, SimplonError>)
  }

  typealias State = PoolState<SystemRandomNumberGenerator>

  nonisolated let loop = EventLoop<Command>()
  nonisolated let configuration: PostgresConfiguration
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Names leases and listeners.
  nonisolated let ids = Atomic(0)

  let logger: Logger
  let clock = ContinuousClock()
  var state: State
  var kinds = [Int: State.Kind]()  // of connections that are being made
  var channels = [Int: Channel]()
  var shared = [Channel]()
  var bySocket = [Int32: Channel]()
  var queue = Queue<Request>()
  var leases = [Int: Call<Void, Void>]()  // that wait for a connection
  var lent = [Int: Channel]()  // by lease
  var listeners = [Int: (mailbox: Mailbox, channels: [String])]()
  var stopCall: Call<Void, Void>?
  var lastFailure: SimplonError?
  var nextTick: ContinuousClock.Instant
  /// Callers' requests that ended in this turn; they are told at its end, when all that waits has been sent.
  var finished = [(Request, Result<[PostgresRows], any Error>)]()

  /// How many requests may be on their way on one shared connection.
  ///
  /// Behind a transaction pooler only one: with more, answers reached the wrong client behind PgBouncer 1.18, as if it
  /// gave the server's connection away when one transaction ends although it has passed on the beginning of the next.
  var depth: Int { configuration.pooler ? 1 : 128 }
  /// After how long without an answer a statement holds up those behind it, so that others are preferred.
  static let standstill = Duration.milliseconds(20)
  /// How long a connection may be silent before it is asked whether it lives.
  static let probeInterval = Duration.seconds(30)

  init(configuration: PostgresConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    self.nextTick = clock.now
    self.state = State(
      limits: .init(
        shared: max(1, configuration.sharedConnections), exclusive: max(1, configuration.exclusiveConnections),
        acquireTimeout: configuration.acquireTimeout, maximumLifetime: configuration.maximumLifetime),
      generator: SystemRandomNumberGenerator())
  }

  /// Starts the thread; it ends with the pool.
  nonisolated func startLoop() {
    loop.start { [weak self] commands, ready in
      self?.assumeIsolated { $0.turn(&commands, ready) }
    }
  }

  deinit { loop.poller.wake() }

  nonisolated func nextID() -> Int { ids.add(1, ordering: .relaxed).newValue }

  func turn(_ commands: inout [Command], _ ready: [Readiness]) -> Int32 {
    let now = clock.now
    for readiness in ready {
      guard let channel = bySocket[readiness.socket] else { continue }
      if readiness.canRead { receive(channel, now) }
      if readiness.canWrite, bySocket[readiness.socket] === channel {
        channel.lastProgress = now
        update(channel, isAlive: channel.send(), now)
      }
    }
    for command in commands { handle(command, now) }
    commands.removeAll(keepingCapacity: true)
    dispatch(now)
    if now >= nextTick { tick(now) }
    for (request, result) in finished { request.finish(result) }
    finished.removeAll(keepingCapacity: true)
    return wait(now)
  }

  func wait(_ now: ContinuousClock.Instant) -> Int32 {
    let left = nextTick - now
    return Int32(clamping: max(1, left.milliseconds + 1))
  }

  /// Looks after time limits; at least each second, and every 50 ms while somebody waits for the server.
  func tick(_ now: ContinuousClock.Instant) {
    perform(state.tick(at: now), now)
    while let request = queue.first, request.isOver || request.subject.submitted + configuration.acquireTimeout <= now {
      queue.popFirst()
      request.finish(.failure(refused(state.refusal)))
    }
    for channel in channels.values {
      if let deadline = channel.deadline, deadline <= now {
        logger.warning("a PostgreSQL connection is given up: the server is silent")
        // What it does there would else go on.
        channel.cancel()
        lose(channel, now)
      } else if channel.isQuiet, channel.kind != .exclusive || channel.isIdle,
        channel.lastProgress + Self.probeInterval <= now
      {
        submit(internalRequest(["select 1"], .probe, now), to: channel, now)
      }
    }
    let isBusy = !queue.isEmpty || !leases.isEmpty || channels.values.contains { !$0.isQuiet }
    nextTick = now + (isBusy ? .milliseconds(50) : .seconds(1))
    if let deadline = state.nextDeadline { nextTick = min(nextTick, max(deadline, now)) }
  }

  func handle(_ command: Command, _ now: ContinuousClock.Instant) {
    switch command {
    case .start: perform(state.start(at: now), now)
    case .stop(let call):
      stopCall = call
      stop(now)
    case .stopNow: stopNow(now)
    case .request(let request): accept(request, now)
    case .cancel(let request): cancel(request)
    case .lease(let call, let id):
      leases[id] = call
      perform(state.lease(waiter: id, at: now), now)
    case .forgetLease(let id):
      leases[id] = nil
      state.forget(waiter: id)
    case .giveBack(let lease): giveBack(lease, now)
    case .listen(let id, let mailbox, let channels): listen(id, mailbox, channels, now)
    case .unlisten(let id):
      listeners[id] = nil
      perform(state.unlisten(id), now)
    case .opened(let id, let result): opened(id, result, now)
    }
  }

  func listen(_ id: Int, _ mailbox: Mailbox, _ channels: [String], _ now: ContinuousClock.Instant) {
    guard state.takesWork else { return mailbox.finish(nil) }
    listeners[id] = (mailbox, channels)
    perform(state.listen(id, at: now), now)
  }

  func stop(_ now: ContinuousClock.Instant) {
    while let request = queue.popFirst() { request.finish(.failure(refused(.stopped))) }
    for listener in listeners.values { listener.mailbox.finish(nil) }
    listeners.removeAll()
    perform(state.stop(), now)
  }

  func stopNow(_ now: ContinuousClock.Instant) {
    stop(now)
    for channel in channels.values { lose(channel, now) }
    for id in kinds.keys { perform(state.lost(id, at: now), now) }
    kinds.removeAll()
  }

  func stopped() {
    stopCall?.finish(.success(()))
    stopCall = nil
  }

  func refused(_ refusal: State.Refusal) -> SimplonError {
    switch refusal {
    case .busy:
      SimplonError(
        .databaseBusy, "no connection to PostgreSQL came free within \(configuration.acquireTimeout.short)",
        retry: .backoff)
    case .unreachable:
      SimplonError(.databaseUnavailable, "PostgreSQL cannot be reached", retry: .backoff, cause: lastFailure)
    case .stopped: SimplonError(.databaseUnavailable, "the PostgreSQL client has stopped", retry: .backoff)
    case .notRunning:
      SimplonError(
        .databaseUnavailable, "the PostgreSQL client is not running", hint: "Start its run() first.", retry: .backoff)
    }
  }
}
