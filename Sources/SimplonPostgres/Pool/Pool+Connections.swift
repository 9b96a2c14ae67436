import Logging
import SimplonCore

/// Connections as they come and go.
extension Pool {
  func perform(_ actions: [State.Action], _ now: ContinuousClock.Instant) {
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
        lent[waiter] = channels[id]
        if call?.finish(.success(())) != true {
          lent[waiter] = nil
          perform(state.returned(id, at: now), now)
        }
      case .refuse(let waiter, let refusal):
        leases.removeValue(forKey: waiter)?.finish(.failure(refused(refusal)))
      }
    }
    if let deadline = state.nextDeadline { nextTick = min(nextTick, deadline) }
    if state.isStopped { stopped() }
  }

  func connect(_ id: Int, _ kind: State.Kind) {
    kinds[id] = kind
    let isStarted = startThread { [loop, configuration, logger] in
      do throws(SimplonError) {
        loop.post(.opened(connection: id, .success(try Link.open(configuration, logger: logger))))
      } catch {
        loop.post(.opened(connection: id, .failure(error)))
      }
    }
    guard !isStarted else { return }
    let error = SimplonError(.databaseUnavailable, "there is no thread left to connect to PostgreSQL", retry: .backoff)
    loop.post(.opened(connection: id, .failure(error)))
  }

  func opened(_ id: Int, _ result: Result<Link, SimplonError>, _ now: ContinuousClock.Instant) {
    guard let kind = kinds.removeValue(forKey: id) else { return }
    switch result {
    case .failure(let error):
      lastFailure = error
      // libpq quotes pieces of the address, and a password that was not escaped can be one.
      let words = String(reflecting: error).replacing(#/"[^"]*"/#, with: "\"…\"")
      logger.warning("PostgreSQL cannot be reached", metadata: ["error": "\(words)"])
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

  func greet(_ channel: Channel, _ now: ContinuousClock.Instant) {
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

  func giveBack(_ lease: Int, _ now: ContinuousClock.Instant) {
    guard let channel = lent.removeValue(forKey: lease), channels[channel.id] === channel else { return }
    guard channel.isQuiet, !channel.isCancelled else {
      drop(channel)
      return perform(state.discarded(channel.id, at: now), now)
    }
    var queries: [PostgresQuery] = channel.isInBlock ? ["rollback"] : []
    if !configuration.pooler {
      // As DISCARD ALL, but for the statements that we prepared.
      queries += [
        "close all", "unlisten *", "select pg_advisory_unlock_all()", "discard temp", "discard sequences",
        "reset session authorization", "reset all",
      ]
      queries += channel.deallocations()
      if let limit = configuration.statementTimeout { queries.append(Self.sessionLimit(limit)) }
    }
    if queries.isEmpty { return perform(state.returned(channel.id, at: now), now) }
    submit(internalRequest(queries, .reset, now), to: channel, now)
  }

  static func sessionLimit(_ limit: Duration) -> PostgresQuery {
    "select set_config('statement_timeout', \(limit.statementTimeout), false)"
  }

  func update(_ channel: Channel, isAlive: Bool, _ now: ContinuousClock.Instant) {
    guard channels[channel.id] === channel else { return }
    guard isAlive else { return lose(channel, now) }
    guard channel.isWatchedForWriting != channel.wantsToWrite else { return }
    channel.isWatchedForWriting = channel.wantsToWrite
    loop.poller.change(channel.socket, writing: channel.wantsToWrite)
  }

  /// A connection is of no use any more.
  func lose(_ channel: Channel, _ now: ContinuousClock.Instant) {
    guard channels[channel.id] === channel else { return }
    if state.takesWork {
      logger.info("a PostgreSQL connection ended", metadata: ["error": "\(channel.link.words.debugDescription)"])
    }
    drop(channel)
    perform(state.lost(channel.id, at: now), now)
  }

  func drop(_ channel: Channel) {
    channels[channel.id] = nil
    bySocket[channel.socket] = nil
    shared.removeAll { $0 === channel }
    loop.poller.remove(channel.socket)
    channel.abandon { request, error in
      if error == nil, request.subject.lease == nil, request.subject.purpose == .caller, state.takesWork {
        queue.append(request)  // the server never had it: another connection may take it
      } else {
        request.finish(.failure(error ?? refused(.unreachable)))
      }
    }
  }
}
