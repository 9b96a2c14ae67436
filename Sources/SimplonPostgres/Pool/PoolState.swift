import SimplonCore

/// The life of all connections as a pure machine: events and the time go in, actions come out.
///
/// Each attempt to connect gets a new id, so a late event of an older connection finds nothing and changes nothing.
struct PoolState<Generator: RandomNumberGenerator> {
  typealias Instant = ContinuousClock.Instant

  /// What a connection is for.
  enum Kind: Hashable {
    /// Carries implicit transactions of many callers.
    case shared
    /// Belongs to one caller at a time.
    case exclusive
    /// Listens for one reader of notifications.
    case listener(Int)
  }

  enum Action: Equatable {
    case connect(Int, Kind)
    /// Close it now, whatever it carries.
    case close(Int)
    /// Give it no more work, and report ``drained(_:at:)`` when the last is done.
    case retire(Int)
    case grant(waiter: Int, connection: Int)
    case refuse(waiter: Int, Refusal)
  }

  enum Refusal: Equatable {
    /// All connections were in use for too long.
    case busy
    /// The server could not be reached for too long.
    case unreachable
    /// The client has stopped.
    case stopped
    /// The client was never started.
    case notRunning
  }

  struct Limits {
    var shared: Int
    var exclusive: Int
    var acquireTimeout: Duration
    var maximumLifetime: Duration
    var backoff = Backoff(base: .milliseconds(100), cap: .seconds(10))
  }

  private enum Phase { case connecting, idle, leased, retiring }
  private struct Connection {
    var kind: Kind
    var phase = Phase.connecting
    var made: Instant?
    var expiry: Instant?
  }
  private enum Stage { case new, running, stopping }

  private let limits: Limits
  private var generator: Generator
  private var stage = Stage.new
  private var connections = [Int: Connection]()
  private var listeners = Set<Int>()
  private var waiters = Queue<(id: Int, deadline: Instant)>()
  private var lastID = 0
  private var failures = 0
  private var mayConnectAt: Instant?

  init(limits: Limits, generator: Generator) {
    self.limits = limits
    self.generator = generator
  }

  /// Whether the last connection is gone after a stop.
  var isStopped: Bool { stage == .stopping && connections.isEmpty }

  /// Why someone who waits for a connection waits in vain.
  var refusal: Refusal {
    switch stage {
    case .new: .notRunning
    case .stopping: .stopped
    case .running: connections.values.contains { $0.made != nil } ? .busy : .unreachable
    }
  }

  /// Whether new work is taken at all; before the start it waits.
  var takesWork: Bool { stage != .stopping }

  /// When ``tick(at:)`` has something to do next.
  var nextDeadline: Instant? {
    var next = waiters.first?.deadline
    for connection in connections.values where connection.phase == .idle { next = earlier(next, connection.expiry) }
    if wantsConnection { next = earlier(next, mayConnectAt) }
    return next
  }

  mutating func start(at now: Instant) -> [Action] {
    guard stage == .new else { return [] }
    stage = .running
    return fill(now)
  }

  /// Ends the machine: idle connections close, work that is under way may finish.
  mutating func stop() -> [Action] {
    stage = .stopping
    listeners.removeAll()
    var actions = [Action]()
    while let waiter = waiters.popFirst() { actions.append(.refuse(waiter: waiter.id, .stopped)) }
    for (id, connection) in connections.sorted(by: { $0.key < $1.key }) {
      switch (connection.kind, connection.phase) {
      case (.shared, .idle):
        connections[id]?.phase = .retiring
        actions.append(.retire(id))
      case (_, .idle): actions.append(close(id))
      case (.listener, _): actions.append(close(id))
      default: break
      }
    }
    return actions
  }

  mutating func connected(_ id: Int, at now: Instant) -> [Action] {
    guard let connection = connections[id], connection.phase == .connecting else { return [.close(id)] }
    failures = 0
    mayConnectAt = nil
    if stage == .stopping { return [close(id)] }
    connections[id]?.phase = .idle
    let expiry = now + lifetime()
    connections[id]?.expiry = expiry
    connections[id]?.made = now
    return grant(now) + fill(now)
  }

  /// A connection could not be made, or was lost.
  mutating func lost(_ id: Int, at now: Instant) -> [Action] {
    guard let connection = connections.removeValue(forKey: id) else { return [] }
    // One that breaks as soon as it is made is no better than none; of several that fail together, one counts.
    let isFailure = connection.made.map { now - $0 < .seconds(1) } ?? true
    if isFailure, mayConnectAt.map({ now >= $0 }) ?? true {
      failures += 1
      mayConnectAt = now + limits.backoff.delay(attempt: failures, using: &generator)
    }
    return fill(now)
  }

  /// An exclusive connection came back in a state that is not worth mending.
  mutating func discarded(_ id: Int, at now: Instant) -> [Action] {
    connections[id] = nil
    return fill(now)
  }

  /// A connection that was told to retire has no more work.
  mutating func drained(_ id: Int, at now: Instant) -> [Action] {
    guard connections[id]?.phase == .retiring else { return [] }
    return [close(id)] + fill(now)
  }

  /// Someone wants an exclusive connection.
  mutating func lease(waiter: Int, at now: Instant) -> [Action] {
    guard stage != .stopping else { return [.refuse(waiter: waiter, .stopped)] }
    waiters.append((waiter, now + limits.acquireTimeout))
    return grant(now) + fill(now)
  }

  /// Someone wants it no longer.
  mutating func forget(waiter: Int) { waiters.removeAll { $0.id == waiter } }

  /// An exclusive connection came back, proved idle.
  mutating func returned(_ id: Int, at now: Instant) -> [Action] {
    guard let connection = connections[id], connection.phase == .leased else { return [] }
    connections[id]?.phase = .idle
    if stage == .stopping || connection.expiry.map({ now >= $0 }) == true { return [close(id)] + fill(now) }
    return grant(now)
  }

  mutating func listen(_ listener: Int, at now: Instant) -> [Action] {
    guard stage != .stopping else { return [] }
    listeners.insert(listener)
    return fill(now)
  }

  mutating func unlisten(_ listener: Int) -> [Action] {
    listeners.remove(listener)
    return connections.filter { $0.value.kind == .listener(listener) }.map { close($0.key) }
  }

  /// Does what has become due.
  mutating func tick(at now: Instant) -> [Action] {
    var actions = [Action]()
    while let waiter = waiters.first, waiter.deadline <= now {
      waiters.removeFirst()
      actions.append(.refuse(waiter: waiter.id, refusal))
    }
    for (id, connection) in connections.sorted(by: { $0.key < $1.key }) where connection.phase == .idle {
      guard let expiry = connection.expiry, expiry <= now else { continue }
      switch connection.kind {
      case .shared:
        connections[id]?.phase = .retiring
        actions.append(.retire(id))
      case .exclusive: actions.append(close(id))
      case .listener: connections[id]?.expiry = nil  // a new one would mean that something may have been missed
      }
    }
    return actions + fill(now)
  }

  private mutating func grant(_ now: Instant) -> [Action] {
    var actions = [Action]()
    while let waiter = waiters.first {
      let idle = connections.filter { $0.value.kind == .exclusive && $0.value.phase == .idle }.keys.max()
      guard let idle else { break }
      waiters.removeFirst()
      connections[idle]?.phase = .leased
      actions.append(.grant(waiter: waiter.id, connection: idle))
    }
    return actions
  }

  private mutating func fill(_ now: Instant) -> [Action] {
    guard mayConnectAt.map({ now >= $0 }) ?? true else { return [] }
    var actions = [Action]()
    while let kind = wanted.first {
      lastID += 1
      connections[lastID] = Connection(kind: kind)
      actions.append(.connect(lastID, kind))
    }
    return actions
  }

  private var wantsConnection: Bool { !wanted.isEmpty }

  /// The kinds of connections that are lacking.
  private var wanted: [Kind] {
    guard stage == .running else { return [] }
    var shared = 0
    var exclusive = 0
    var connecting = 0
    var silent = listeners
    for connection in connections.values where connection.phase != .retiring {
      switch connection.kind {
      case .shared: shared += 1
      case .exclusive:
        exclusive += 1
        if connection.phase == .connecting { connecting += 1 }
      case .listener(let id): silent.remove(id)
      }
    }
    var kinds = [Kind]()
    if shared < limits.shared { kinds.append(.shared) }
    if connecting < waiters.count, exclusive < limits.exclusive { kinds.append(.exclusive) }
    kinds.append(contentsOf: silent.sorted().map(Kind.listener))
    return kinds
  }

  private mutating func close(_ id: Int) -> Action {
    connections.removeValue(forKey: id)
    return .close(id)
  }

  /// The maximum, less up to a tenth, so that connections made together do not end together.
  private mutating func lifetime() -> Duration {
    limits.maximumLifetime - limits.maximumLifetime / 1000 * Int.random(in: 0...100, using: &generator)
  }

  private func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
    guard let one, let other else { return one ?? other }
    return min(one, other)
  }
}
