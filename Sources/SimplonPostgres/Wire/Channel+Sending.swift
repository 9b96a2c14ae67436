import CLibpq
import SimplonCore

extension Channel {
  /// Takes a request; it is sent when those before it let it, see ``send()``.
  func enqueue(_ request: Request, at now: ContinuousClock.Instant) {
    if isQuiet { lastProgress = now }
    waiting.append(request)
  }

  /// Asks the server to stop; the connection must not be used again afterwards.
  func cancel() {
    isCancelled = true
    link.cancel()
  }

  /// Sends what waits, as far as the socket takes it.
  ///
  /// - Returns: false when the connection is broken.
  func send() -> Bool {
    guard flush() else { return false }
    var sent = 0
    while !wantsToWrite, let request = waiting.first, mayFollow(request) {
      waiting.removeFirst()
      if request.isOver, request.subject.purpose == .caller { continue }
      guard send(request), sendDeallocation() else { return false }
      sent += 1
      if sent % Int(simplon_requests_per_flush) == 0, !flush() { return false }
    }
    return flush()
  }

  /// What a caller can prepare, or make us believe is still prepared.
  private static let preparing: Set = ["prepare", "deallocate", "discard"]

  /// The statements after which the server has prepared what the cache says, and nothing else.
  func deallocations() -> [PostgresQuery] {
    guard !hasForeignStatements, configuration.keepsStatements else {
      hasForeignStatements = false
      cache.removeAll()
      return ["deallocate all"]
    }
    var queries = [PostgresQuery]()
    while let name = cache.popEvicted() { queries.append(PostgresQuery(unsafeSQL: "deallocate \(name)")) }
    return queries
  }

  private func flush() -> Bool {
    let status = PQflush(connection)
    wantsToWrite = status == 1
    return status >= 0
  }

  /// A script leaves pipeline mode, so it can neither follow nor be followed while answers are due; behind a pooler
  /// nothing can.
  private func mayFollow(_ request: Request) -> Bool {
    if configuration.pooler { return flights.isEmpty }
    return if case .script = request.subject.statements { flights.isEmpty } else { !isRunningScript }
  }

  private func send(_ request: Request) -> Bool {
    let flight = Flight(request, isInBlock: flights.isEmpty && isInBlock)
    flights.append(flight)
    switch request.subject.statements {
    case .script(let text):
      isRunningScript = true
      hasForeignStatements = true
      return PQexitPipelineMode(connection) == 1 && PQsendQuery(connection, text) == 1
    case .queries(let queries):
      flight.steps.reserveCapacity(queries.count + 2)
      let role = request.subject.role
      if let prelude = request.subject.prelude, !send(prelude, role: nil, isAside: true, in: flight) {
        return false
      }
      for query in queries {
        if kind == .exclusive, Self.preparing.contains(query.keyword) { hasForeignStatements = true }
        guard send(query, role: role, isAside: false, in: flight) else { return false }
      }
      return simplon_pipeline_sync(connection) == 1
    }
  }

  /// Lets the server forget a statement, apart from everybody's transactions, as it would fail them if it failed.
  private func sendDeallocation() -> Bool {
    guard kind == .shared, let name = cache.popEvicted() else { return true }
    let work = Work(
      [], limit: configuration.connectTimeout, isPooled: false, purpose: .deallocation, submitted: lastProgress)
    let flight = Flight(Request(work), isInBlock: false)
    flight.steps = [.deallocation]
    flights.append(flight)
    return PQsendQueryParams(connection, "deallocate \(name)", 0, nil, nil, nil, nil, 1) == 1
      && simplon_pipeline_sync(connection) == 1
  }

  private func send(_ query: PostgresQuery, role: String?, isAside: Bool, in flight: Flight) -> Bool {
    let count = Int32(query.parameters.types.count)
    if configuration.pooler || flight.request.subject.purpose == .reset {
      // The next transaction may meet another server connection, and a reset may forget all: nothing can stay prepared.
      flight.steps.append(.statement(.init(sql: "", role: nil, types: []), name: "", isNew: true, isAside: isAside))
      return query.parameters.withPointers { values, lengths, formats in
        PQsendQueryParams(connection, query.sql, count, query.parameters.types, values, lengths, formats, 1) == 1
      }
    }
    let key = StatementCache.Key(sql: query.sql, role: role, types: query.parameters.types)
    let known = cache.name(of: key)
    let name = known ?? cache.insert(key)
    if known == nil {
      flight.steps.append(.prepare(key, name: name))
      guard PQsendPrepare(connection, name, query.sql, count, query.parameters.types) == 1 else { return false }
    }
    flight.steps.append(.statement(key, name: name, isNew: known == nil, isAside: isAside))
    if query.isDescription { return PQsendDescribePrepared(connection, name) == 1 }
    return query.parameters.withPointers { values, lengths, formats in
      PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1
    }
  }
}
