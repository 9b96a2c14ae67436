import CLibpq
import SimplonCore

extension Channel {
  /// Takes what has arrived.
  ///
  /// - Parameters:
  ///   - now: the time.
  ///   - finish: told each request that has ended.
  ///   - notify: told each notification's channel and payload.
  /// - Returns: false when the connection is broken.
  func receive(
    at now: ContinuousClock.Instant, finish: (Request, Outcome) -> Void, notify: (String, String) -> Void
  ) -> Bool {
    let isAlive = PQconsumeInput(connection) == 1
    lastProgress = now
    var wasEmpty = false
    while !flights.isEmpty, PQisBusy(connection) == 0 {
      guard let result = PQgetResult(connection) else {
        if isRunningScript {
          guard endScript(finish) else { return false }
        } else if wasEmpty {
          break  // nothing more has arrived
        }
        wasEmpty = true
        continue
      }
      wasEmpty = false
      guard take(result, finish) else { return false }
    }
    while let notification = PQnotifies(connection) {
      notify(String(cString: notification.pointee.relname), String(cString: notification.pointee.extra))
      PQfreemem(notification)
    }
    return isAlive && PQstatus(connection) == CONNECTION_OK && send()
  }

  private func endScript(_ finish: (Request, Outcome) -> Void) -> Bool {
    isRunningScript = false
    if let flight = flights.popFirst() {
      finish(flight.request, flight.failure.map(Outcome.failed) ?? .rows(flight.rows))
    }
    return PQenterPipelineMode(connection) == 1
  }

  /// - Returns: false when the connection is of no use any more.
  private func take(_ result: OpaquePointer, _ finish: (Request, Outcome) -> Void) -> Bool {
    let status = PQresultStatus(result)
    if status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY {
      let results = ResultSet(result)
      guard let flight = flights.first else { return false }
      if case .statement(_, _, _, isAside: false)? = flight.step { flight.rows.append(PostgresRows(results: results)) }
      flight.next += 1
      return true
    }
    defer { PQclear(result) }
    guard let flight = flights.first else { return false }
    switch status {
    case PGRES_PIPELINE_SYNC:
      // An answer is missing: nobody knows what belongs to what any more.
      if flight.next < flight.steps.count, flight.failure == nil { return false }
      flights.removeFirst()
      finish(flight.request, outcome(of: flight))
      return kind != .shared || !isInBlock
    case PGRES_PIPELINE_ABORTED:
      if case .prepare(let key, let name)? = flight.step { cache.forget(key, name: name) }
      flight.next += 1
      return true
    case PGRES_FATAL_ERROR:
      guard let server = PostgresServerError(result) else { return false }
      fail(flight, server)
      return true
    default:  // COPY, which would block the pipeline
      flight.failure = SimplonError(.databaseQuery, "COPY cannot be sent as a query")
      return false
    }
  }

  private func fail(_ flight: Flight, _ server: PostgresServerError) {
    switch flight.step {
    case .prepare(let key, let name): cache.forget(key, name: name)
    case .statement(let key, let name, isNew: false, _):
      // The server has lost it (26000), or its result has another shape since a table was changed (0A000).
      if server.sqlState == "26000" || server.sqlState == "0A000" {
        cache.forget(key, name: name)
        flight.isStale = !flight.isInBlock
      }
    default: break
    }
    // A FATAL error in place of the Sync's answer comes from a server that may have committed.
    if flight.step == nil, server.severity != "ERROR" { return }
    flight.failure = flight.failure ?? SimplonError(server)
    flight.next += 1
  }

  private func outcome(of flight: Flight) -> Outcome {
    if flight.isStale { return .stale }
    if let failure = flight.failure { return .failed(failure) }
    if kind == .shared, isInBlock { return .failed(SimplonError(.databaseQuery, "a transaction was left open")) }
    return .rows(flight.rows)
  }

  /// What becomes of all requests when the connection is broken or given up.
  ///
  /// - Parameter finish: told each request, with its error, or nil when the server never had it.
  func abandon(_ finish: (Request, SimplonError?) -> Void) {
    let cause = link.words
    while let flight = flights.popFirst() {
      let work = flight.request.subject
      let isUnknown = work.commits || (work.mayWrite && !flight.isInBlock)
      if flight.isStale {
        finish(flight.request, nil)
        continue
      }
      let failure =
        flight.failure
        ?? SimplonError(
          isUnknown ? .databaseOutcomeUnknown : .databaseUnavailable,
          isUnknown
            ? "the connection to PostgreSQL broke before it confirmed; the change may have happened"
            : "the connection to PostgreSQL broke; nothing was changed",
          hint: isUnknown ? "Read back what was to be changed before you repeat it." : nil,
          retry: isUnknown ? .never : .backoff, cause: cause)
      finish(flight.request, failure)
    }
    while let request = waiting.popFirst() { finish(request, nil) }
  }
}
