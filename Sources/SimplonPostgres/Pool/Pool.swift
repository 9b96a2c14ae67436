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
    case lease(Call<Void, Int>, id: Int)
    case forgetLease(id: Int)
    case giveBack(connection: Int)
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

  private let logger: Logger
  private let clock = ContinuousClock()
  private var state: State
  private var kinds = [Int: State.Kind]()  // of connections that are being made
  private var channels = [Int: Channel]()
  private var shared = [Channel]()
  private var bySocket = [Int32: Channel]()
  private var queue = Queue<Request>()
  private var leases = [Int: Call<Void, Int>]()
  private var listeners = [Int: (mailbox: Mailbox, channels: [String])]()
  private var stopCall: Call<Void, Void>?
  private var lastFailure: SimplonError?
  private var nextTick: ContinuousClock.Instant

  /// How many requests may be on their way on one shared connection.
  private static let depth = 128
  /// How long a connection may be silent before it is asked whether it lives.
  private static let probeInterval = Duration.seconds(30)

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

  // MARK: Turning

  private func turn(_ commands: inout [Command], _ ready: [Readiness]) -> Int32 {
    let now = clock.now
    for readiness in ready {
      guard let channel = bySocket[readiness.socket] else { continue }
      if readiness.canRead { receive(channel, now) }
      if readiness.canWrite, bySocket[readiness.socket] === channel { update(channel, isAlive: channel.send(), now) }
    }
    for command in commands { handle(command, now) }
    commands.removeAll(keepingCapacity: true)
    dispatch(now)
    if now >= nextTick { tick(now) }
    return wait(now)
  }

  private func wait(_ now: ContinuousClock.Instant) -> Int32 {
    let left = nextTick - now
    return Int32(clamping: max(1, left.milliseconds + 1))
  }

  /// Looks after time limits; at least each second, and every 50 ms while somebody waits for the server.
  private func tick(_ now: ContinuousClock.Instant) {
    perform(state.tick(at: now), now)
    while let request = queue.first, request.isOver || request.subject.submitted + configuration.acquireTimeout <= now {
      queue.popFirst()
      request.finish(.failure(refused(state.refusal)))
    }
    for channel in channels.values {
      if let deadline = channel.deadline, deadline <= now {
        logger.warning("a PostgreSQL connection is given up: the server is silent")
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

  private func handle(_ command: Command, _ now: ContinuousClock.Instant) {
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
    case .giveBack(let id): giveBack(id, now)
    case .listen(let id, let mailbox, let channels): listen(id, mailbox, channels, now)
    case .unlisten(let id):
      listeners[id] = nil
      perform(state.unlisten(id), now)
    case .opened(let id, let result): opened(id, result, now)
    }
  }

  // MARK: Requests

  private func accept(_ request: Request, _ now: ContinuousClock.Instant) {
    guard let id = request.subject.connection else {
      guard state.takesWork else { return finish(request, with: .failure(refused(.stopped))) }
      queue.append(request)
      return hurry(now)
    }
    guard let channel = channels[id], !channel.isCancelled else {
      let error = SimplonError(
        .databaseUnavailable, "the connection to PostgreSQL is closed", hint: "Take a new one.", retry: .backoff)
      return finish(request, with: .failure(error))
    }
    submit(request, to: channel, now)
  }

  /// Moves waiting requests to the least loaded shared connections.
  private func dispatch(_ now: ContinuousClock.Instant) {
    guard !queue.isEmpty else { return }
    while let request = queue.first {
      var best: Channel?
      for channel in shared where !channel.isRetiring && !channel.wantsToWrite && channel.load < Self.depth {
        if channel.load < best?.load ?? .max { best = channel }
      }
      guard let best else { break }
      queue.removeFirst()
      if !request.isOver { best.enqueue(request, at: now) }
    }
    for channel in shared where channel.hasWaiting && !channel.wantsToWrite {
      update(channel, isAlive: channel.send(), now)
    }
  }

  private func submit(_ request: Request, to channel: Channel, _ now: ContinuousClock.Instant) {
    hurry(now)
    channel.enqueue(request, at: now)
    update(channel, isAlive: channel.send(), now)
  }

  /// The server is asked for something: look at the clock more often.
  private func hurry(_ now: ContinuousClock.Instant) { nextTick = min(nextTick, now + .milliseconds(50)) }

  private func cancel(_ request: Request) {
    guard let id = request.subject.connection, let channel = channels[id], channel.holds(request) else { return }
    channel.cancel()
  }

  private func receive(_ channel: Channel, _ now: ContinuousClock.Instant) {
    var internals = [(Request, Channel.Outcome)]()
    let isAlive = channel.receive(
      at: now,
      finish: { request, outcome in
        switch outcome {
        case .rows(let rows) where request.subject.purpose == .caller: request.finish(.success(rows))
        case .failed(let error) where request.subject.purpose == .caller: request.finish(.failure(error))
        default: internals.append((request, outcome))
        }
      },
      notify: { name, payload in
        guard case .listener(let id) = channel.kind else { return }
        listeners[id]?.mailbox.put(.notification(channel: name, payload: payload))
      })
    update(channel, isAlive: isAlive, now)
    for (request, outcome) in internals { settle(request, outcome, channel, now) }
    if channel.isRetiring, channel.isQuiet { perform(state.drained(channel.id, at: now), now) }
  }

  /// Goes on after a request that no caller waits for, or that must be sent again.
  private func settle(
    _ request: Request, _ outcome: Channel.Outcome, _ channel: Channel, _ now: ContinuousClock.Instant
  ) {
    guard channels[channel.id] === channel else { return finish(request, with: .failure(refused(.unreachable))) }
    switch (request.subject.purpose, outcome) {
    case (_, .stale): submit(request, to: channel, now)
    case (.reset, .rows) where channel.isIdle: perform(state.returned(channel.id, at: now), now)
    case (.listen, .rows):
      if case .listener(let id) = channel.kind { listeners[id]?.mailbox.put(.mayHaveMissed) }
    case (.listen, .failed(let error)):
      guard case .listener(let id) = channel.kind else { return }
      listeners.removeValue(forKey: id)?.mailbox.finish(error)
      perform(state.unlisten(id), now)
    case (.greeting, .rows), (.probe, .rows), (.deallocation, _): break
    default: lose(channel, now)
    }
  }

  private func finish(_ request: Request, with result: Result<[PostgresRows], any Error>) { request.finish(result) }

  private func internalRequest(_ queries: [PostgresQuery], _ purpose: Work.Purpose, _ now: ContinuousClock.Instant)
    -> Request
  {
    Request(Work(queries, limit: configuration.connectTimeout, purpose: purpose, submitted: now))
  }

  // MARK: Connections

  private func perform(_ actions: [State.Action], _ now: ContinuousClock.Instant) {
    for action in actions {
      switch action {
      case .connect(let id, let kind): connect(id, kind)
      case .close(let id):
        if let channel = channels[id] { drop(channel) }
        kinds[id] = nil
      case .retire(let id):
        guard let channel = channels[id] else { continue }
        channel.isRetiring = true
        if channel.isQuiet { perform(state.drained(id, at: now), now) }
      case .grant(let waiter, let id):
        let call = leases.removeValue(forKey: waiter)
        if call?.finish(.success(id)) != true { perform(state.returned(id, at: now), now) }
      case .refuse(let waiter, let refusal):
        leases.removeValue(forKey: waiter)?.finish(.failure(refused(refusal)))
      }
    }
    if let deadline = state.nextDeadline { nextTick = min(nextTick, deadline) }
    if state.isStopped { stopped() }
  }

  private func connect(_ id: Int, _ kind: State.Kind) {
    kinds[id] = kind
    startThread { [loop, configuration, logger] in
      do throws(SimplonError) {
        loop.post(.opened(connection: id, .success(try Link.open(configuration, logger: logger))))
      } catch {
        loop.post(.opened(connection: id, .failure(error)))
      }
    }
  }

  private func opened(_ id: Int, _ result: Result<Link, SimplonError>, _ now: ContinuousClock.Instant) {
    guard let kind = kinds.removeValue(forKey: id) else { return }
    switch result {
    case .failure(let error):
      lastFailure = error
      logger.warning("PostgreSQL cannot be reached", metadata: ["error": "\(String(reflecting: error))"])
      perform(state.lost(id, at: now), now)
    case .success(let link):
      lastFailure = nil
      let channel = Channel(id: id, kind: kind, link: link, configuration: configuration, now: now)
      channels[id] = channel
      bySocket[channel.socket] = channel
      if kind == .shared { shared.append(channel) }
      loop.poller.add(channel.socket)
      greet(channel, now)
      if channels[id] === channel { perform(state.connected(id, at: now), now) }
    }
  }

  private func greet(_ channel: Channel, _ now: ContinuousClock.Instant) {
    if !configuration.pooler, let limit = configuration.statementTimeout {
      submit(internalRequest([Self.sessionLimit(limit)], .greeting, now), to: channel, now)
    }
    guard case .listener(let id) = channel.kind, let listener = listeners[id] else { return }
    let listens = listener.channels.map { name in
      PostgresQuery(
        unsafeSQL:
          "listen \"\(name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\"")
    }
    submit(internalRequest(listens, .listen, now), to: channel, now)
  }

  private func giveBack(_ id: Int, _ now: ContinuousClock.Instant) {
    guard let channel = channels[id] else { return }
    guard channel.isQuiet, !channel.isCancelled else { return lose(channel, now) }
    var queries: [PostgresQuery] = channel.isInBlock ? ["rollback"] : []
    if !configuration.pooler {
      // As DISCARD ALL, but for the prepared statements.
      queries += [
        "close all", "unlisten *", "select pg_advisory_unlock_all()", "discard temp", "discard sequences",
        "reset session authorization", "reset all",
      ]
      if let limit = configuration.statementTimeout { queries.append(Self.sessionLimit(limit)) }
    }
    if queries.isEmpty { return perform(state.returned(id, at: now), now) }
    submit(internalRequest(queries, .reset, now), to: channel, now)
  }

  private static func sessionLimit(_ limit: Duration) -> PostgresQuery {
    "select set_config('statement_timeout', \(limit.statementTimeout), false)"
  }

  private func update(_ channel: Channel, isAlive: Bool, _ now: ContinuousClock.Instant) {
    guard channels[channel.id] === channel else { return }
    guard isAlive else { return lose(channel, now) }
    guard channel.isWatchedForWriting != channel.wantsToWrite else { return }
    channel.isWatchedForWriting = channel.wantsToWrite
    loop.poller.change(channel.socket, writing: channel.wantsToWrite)
  }

  /// A connection is of no use any more.
  private func lose(_ channel: Channel, _ now: ContinuousClock.Instant) {
    guard channels[channel.id] === channel else { return }
    if state.takesWork {
      logger.info("a PostgreSQL connection ended", metadata: ["error": "\(channel.link.words.debugDescription)"])
    }
    drop(channel)
    perform(state.lost(channel.id, at: now), now)
  }

  private func drop(_ channel: Channel) {
    channels[channel.id] = nil
    bySocket[channel.socket] = nil
    shared.removeAll { $0 === channel }
    loop.poller.remove(channel.socket)
    channel.abandon { request, error in
      if error == nil, request.subject.connection == nil, request.subject.purpose == .caller, state.takesWork {
        queue.append(request)  // the server never had it: another connection may take it
      } else {
        request.finish(.failure(error ?? refused(.unreachable)))
      }
    }
  }

  // MARK: Listening

  private func listen(_ id: Int, _ mailbox: Mailbox, _ channels: [String], _ now: ContinuousClock.Instant) {
    guard state.takesWork else { return mailbox.finish(nil) }
    listeners[id] = (mailbox, channels)
    perform(state.listen(id, at: now), now)
  }

  // MARK: Stopping

  private func stop(_ now: ContinuousClock.Instant) {
    while let request = queue.popFirst() { request.finish(.failure(refused(.stopped))) }
    for listener in listeners.values { listener.mailbox.finish(nil) }
    listeners.removeAll()
    perform(state.stop(), now)
  }

  private func stopNow(_ now: ContinuousClock.Instant) {
    stop(now)
    for channel in channels.values { lose(channel, now) }
    for id in kinds.keys { perform(state.lost(id, at: now), now) }
    kinds.removeAll()
  }

  private func stopped() {
    stopCall?.finish(.success(()))
    stopCall = nil
  }

  private func refused(_ refusal: State.Refusal) -> SimplonError {
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
