import CLibpq
import SimplonCore

/// One connection as the event loop drives it: requests go in, in pipeline mode, and outcomes come out in order.
///
/// It belongs to the pool's actor. COPY and replication, when they come, leave pipeline mode as scripts do.
final class Channel {
  enum Outcome {
    case rows([PostgresRows])
    case failed(SimplonError)
    /// A statement was not, or no longer, prepared as assumed; nothing has happened, so the request can be sent again.
    case stale
  }

  private enum Step {
    case prepare(StatementCache.Key, name: String)
    case statement(StatementCache.Key, name: String, isNew: Bool)
    case aside
  }

  private final class Flight {
    let request: Request
    var steps = [Step]()
    var next = 0
    var rows = [PostgresRows]()
    var failure: SimplonError?
    var isStale = false
    /// Whether it was sent in an explicit transaction, so that its own end commits nothing.
    let isInBlock: Bool

    init(_ request: Request, isInBlock: Bool) {
      self.request = request
      self.isInBlock = isInBlock
    }

    /// What the next result answers; nil when that is the Sync.
    var step: Step? { next < steps.count ? steps[next] : nil }
  }

  let id: Int
  let kind: PoolState<SystemRandomNumberGenerator>.Kind
  let link: Link
  let socket: Int32
  private let configuration: PostgresConfiguration
  private var cache = StatementCache()
  private var waiting = Queue<Request>()
  private var flights = Queue<Flight>()
  private var isRunningScript = false
  private(set) var wantsToWrite = false
  /// When the server last answered, or was first asked.
  private(set) var lastProgress: ContinuousClock.Instant
  /// Whether the event loop was told of ``wantsToWrite``.
  var isWatchedForWriting = false
  /// Told to take no more work, as it is about to close.
  var isRetiring = false
  /// A cancel was sent: nobody knows which statement it will meet.
  private(set) var isCancelled = false

  private var connection: OpaquePointer { link.connection }

  init(
    id: Int, kind: PoolState<SystemRandomNumberGenerator>.Kind, link: Link, configuration: PostgresConfiguration,
    now: ContinuousClock.Instant
  ) {
    self.id = id
    self.kind = kind
    self.link = link
    self.socket = PQsocket(link.connection)
    self.configuration = configuration
    self.lastProgress = now
  }

  var hasWaiting: Bool { !waiting.isEmpty }
  var load: Int { flights.count + waiting.count }
  var isQuiet: Bool { flights.isEmpty && waiting.isEmpty }

  /// Whether it stands outside any transaction, with nothing on its way.
  var isIdle: Bool { isQuiet && PQtransactionStatus(connection) == PQTRANS_IDLE }

  /// Whether it stands in an explicit transaction.
  var isInBlock: Bool {
    let status = PQtransactionStatus(connection)
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
  }

  /// When the server must have answered, if it owes an answer and there is a limit.
  var deadline: ContinuousClock.Instant? {
    flights.first?.request.subject.limit.map { lastProgress + $0 + Self.grace }
  }

  /// How much later than its own time limit the server may answer before it is given up.
  static let grace = Duration.seconds(5)

  func holds(_ request: Request) -> Bool {
    flights.contains { $0.request === request }
  }
}

// MARK: Sending

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
      // Many together, where libpq lets the flush wait, but not so many that they pile up in memory.
      if sent % 16 == 0, !flush() { return false }
    }
    return flush()
  }

  private func flush() -> Bool {
    let status = PQflush(connection)
    wantsToWrite = status == 1
    return status >= 0
  }

  /// A script leaves pipeline mode, so it can neither follow nor be followed while answers are due.
  private func mayFollow(_ request: Request) -> Bool {
    if case .script = request.subject.statements { flights.isEmpty } else { !isRunningScript }
  }

  private func send(_ request: Request) -> Bool {
    let flight = Flight(request, isInBlock: flights.isEmpty && isInBlock)
    flights.append(flight)
    switch request.subject.statements {
    case .script(let text):
      isRunningScript = true
      return PQexitPipelineMode(connection) == 1 && PQsendQuery(connection, text) == 1
    case .queries(let queries):
      flight.steps.reserveCapacity(queries.count + 2)
      let role = request.subject.session?.role
      if let prelude = prelude(of: request.subject), !send(prelude, role: nil, isAside: true, in: flight) {
        return false
      }
      for query in queries {
        guard send(query, role: role, isAside: false, in: flight) else { return false }
      }
      return simplon_pipeline_sync(connection) == 1
    }
  }

  /// Lets the server forget a statement, apart from everybody's transactions, as it would fail them if it failed.
  private func sendDeallocation() -> Bool {
    guard kind == .shared || isIdle, let name = cache.popEvicted() else { return true }
    let work = Work([], limit: configuration.connectTimeout, purpose: .deallocation, submitted: lastProgress)
    let flight = Flight(Request(work), isInBlock: false)
    flight.steps = [.aside]
    flights.append(flight)
    return PQsendQueryParams(connection, "deallocate \(name)", 0, nil, nil, nil, nil, 1) == 1
      && simplon_pipeline_sync(connection) == 1
  }

  /// Role, claims and time limit, for this transaction only.
  private func prelude(of work: Work) -> PostgresQuery? {
    guard configuration.pooler else { return work.session?.prelude }
    // A session of the pooler's cannot keep the time limit for us.
    var session = work.session ?? PostgresSession()
    session.statementTimeout = work.statementLimit
    return session.prelude
  }

  private func send(_ query: PostgresQuery, role: String?, isAside: Bool, in flight: Flight) -> Bool {
    let count = Int32(query.parameters.types.count)
    if configuration.pooler {
      // The next transaction may meet another server connection: nothing can stay prepared.
      flight.steps.append(isAside ? .aside : .statement(.init(sql: "", role: nil, types: []), name: "", isNew: true))
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
    flight.steps.append(isAside ? .aside : .statement(key, name: name, isNew: known == nil))
    return query.parameters.withPointers { values, lengths, formats in
      PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1
    }
  }
}

// MARK: Receiving

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
      lastProgress = now
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
      if case .statement? = flight.step { flight.rows.append(PostgresRows(results: results)) }
      flight.next += 1
      return true
    }
    defer { PQclear(result) }
    guard let flight = flights.first else { return false }
    switch status {
    case PGRES_PIPELINE_SYNC:
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
    case .statement(let key, let name, isNew: false):
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
