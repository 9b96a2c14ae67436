import SimplonCore

/// Requests on their way to connections and back.
extension Pool {
  func accept(_ request: Request, _ now: ContinuousClock.Instant) {
    guard let lease = request.subject.lease else {
      guard state.takesWork else {
        request.finish(.failure(refused(.stopped)))
        return
      }
      queue.append(request)
      return hurry(now)
    }
    guard let channel = lent[lease] else {
      request.finish(
        .failure(SimplonError(.databaseQuery, "a connection was used after it was given back")))
      return
    }
    guard channels[channel.id] === channel, !channel.isCancelled else {
      let error = SimplonError(
        .databaseUnavailable, "the connection to PostgreSQL is closed", hint: "Take a new one.", retry: .backoff)
      request.finish(.failure(error))
      return
    }
    submit(request, to: channel, now)
  }

  /// Moves waiting requests to the least loaded shared connections, to those that stand still only when all do.
  func dispatch(_ now: ContinuousClock.Instant) {
    guard !queue.isEmpty else { return }
    let depth = depth
    let open = shared.filter { !$0.isRetiring && !$0.wantsToWrite }
    let moving = open.filter { $0.isQuiet || now - $0.lastProgress < Self.standstill }
    while let request = queue.first {
      var best: Channel?
      for channel in moving.isEmpty ? open : moving where channel.load < depth {
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

  func submit(_ request: Request, to channel: Channel, _ now: ContinuousClock.Instant) {
    hurry(now)
    channel.enqueue(request, at: now)
    update(channel, isAlive: channel.send(), now)
  }

  /// The server is asked for something: look at the clock more often.
  func hurry(_ now: ContinuousClock.Instant) { nextTick = min(nextTick, now + .milliseconds(50)) }

  func cancel(_ request: Request) {
    guard let lease = request.subject.lease, let channel = lent[lease], channel.holds(request) else { return }
    channel.cancel()
  }

  func receive(_ channel: Channel, _ now: ContinuousClock.Instant) {
    var internals = [(Request, Channel.Outcome)]()
    let isAlive = channel.receive(
      at: now,
      finish: { request, outcome in
        switch outcome {
        case .rows(let rows) where request.subject.purpose == .caller: finished.append((request, .success(rows)))
        case .failed(let error) where request.subject.purpose == .caller: finished.append((request, .failure(error)))
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
  func settle(
    _ request: Request, _ outcome: Channel.Outcome, _ channel: Channel, _ now: ContinuousClock.Instant
  ) {
    guard channels[channel.id] === channel else {
      request.finish(.failure(refused(.unreachable)))
      return
    }
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

  func internalRequest(_ queries: [PostgresQuery], _ purpose: Work.Purpose, _ now: ContinuousClock.Instant)
    -> Request
  {
    Request(
      Work(
        queries, limit: configuration.connectTimeout, isPooled: configuration.pooler, purpose: purpose, submitted: now))
  }
}
