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

  /// What one result of libpq will answer.
  enum Step {
    case prepare(StatementCache.Key, name: String)
    /// Aside: nobody asked for its rows.
    case statement(StatementCache.Key, name: String, isNew: Bool, isAside: Bool)
    case deallocation
  }

  /// A request on its way.
  final class Flight {
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
  let configuration: PostgresConfiguration
  var cache = StatementCache()
  var waiting = Queue<Request>()
  var flights = Queue<Flight>()
  var isRunningScript = false
  /// Whether its borrower may have prepared statements of its own, or dropped ours.
  var hasForeignStatements = false
  var wantsToWrite = false
  /// When the server last answered, or was first asked.
  var lastProgress: ContinuousClock.Instant
  /// Whether the event loop was told of ``wantsToWrite``.
  var isWatchedForWriting = false
  /// Told to take no more work, as it is about to close.
  var isRetiring = false
  /// A cancel was sent: nobody knows which statement it will meet.
  var isCancelled = false

  var connection: OpaquePointer { link.connection }

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
