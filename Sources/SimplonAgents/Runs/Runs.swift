import Crypto
package import FoundationEssentials
import SimplonCore
package import SimplonIdentity
package import SimplonPostgres

/// Everything a caller can do with runs.
///
/// HTTP and the command line enter here.
///
/// Each call runs as its caller inside PostgreSQL. Another user's run is `run.not_found`, as if it did not exist.
package struct Runs: Sendable {
  private let store: RunStore
  private let queue: QueueStore
  private let tools: ToolCatalog
  private let blobs: BlobStore
  private let wakeUp: WakeUp

  /// Puts the use cases together.
  ///
  /// - Parameters:
  ///   - callers: a client whose login may become the API roles and has no rights of its own.
  ///   - engine: a client whose sessions are `service_role`.
  ///   - statementTimeout: how long one statement of a caller may take.
  ///   - tools: what plans may use.
  ///   - blobs: where artifacts lie.
  ///   - wakeUp: tells workers and streams that something happened.
  package init(
    callers: PostgresClient, engine: PostgresClient, statementTimeout: Duration, tools: ToolCatalog, blobs: BlobStore,
    wakeUp: WakeUp
  ) {
    self.store = RunStore(client: callers, statementTimeout: statementTimeout)
    self.queue = QueueStore(client: engine)
    self.tools = tools
    self.blobs = blobs
    self.wakeUp = wakeUp
  }

  /// Makes a run, or gives the one that the same key made before.
  ///
  /// - Parameters:
  ///   - request: what to do.
  ///   - idempotencyKey: at most 255 bytes, per user; the same key with another body is refused.
  ///   - caller: whose run it becomes.
  /// - Returns: the run, new or made before.
  /// - Throws: `plan.*`, `request.*`, `database.*`.
  package func create(
    _ request: CreateRun, idempotencyKey: String?, as caller: Principal
  ) async throws -> RunReceipt {
    try signedIn(caller)
    var request = request
    if request.workflow != nil {
      throw SimplonError(.requestNotSupported, "saved workflows are not there yet", hint: "Send \"plan\" instead.")
    }
    if let plan = request.plan {
      let read = try Plan(json: plan, tools: tools)
      if let allowed = request.tools, let step = read.steps.first(where: { !allowed.contains($0.tool) }) {
        throw SimplonError(
          .planUnknownTool, "step \"\(step.id)\" uses \"\(step.tool)\", which is not among the run's \"tools\"")
      }
      request.plan = read.json
    }
    if let key = idempotencyKey, key.isEmpty || key.utf8.count > 255 {
      throw SimplonError(.requestInvalid, "the idempotency key must have 1 to 255 bytes")
    }
    let body = request.json
    let hash = idempotencyKey.map { _ in Array(SHA256.hash(data: body.utf8)) }
    let receipt = try await store.create(body, key: idempotencyKey, hash: hash, as: caller)
    if receipt.isNew, request.start { wakeUp.runQueued() }
    return receipt
  }

  /// Starts, stops, resumes or retries a run; gives the new status.
  ///
  /// - Throws: `run.state` when the run's state does not allow it, `run.not_found`.
  package func act(_ action: RunAction, on run: UUID, as caller: Principal) async throws -> String {
    try signedIn(caller)
    let status = try await store.act(action, on: run, as: caller)
    if action != .stop { wakeUp.runQueued() }
    wakeUp.runsChanged([run])
    return status
  }

  /// The run and the lists asked for, as JSON text.
  ///
  /// - Throws: `run.not_found`, `request.cursor`.
  package func status(of run: UUID, include: RunIncludes, as caller: Principal) async throws -> String {
    let cursor = try include.cursor.map { text throws(SimplonError) in try Cursor(text) }
    let wanted = RunIncludes.List.allCases.filter { list in
      cursor.map { $0.list == list.rawValue } ?? include.lists.contains(list)
    }
    if cursor != nil, wanted.isEmpty { throw Cursor.foreign }
    let lists = wanted.map { ($0, after: cursor?.key) }
    guard let answer = try await store.status(of: run, lists: lists, limit: include.limit, as: caller) else {
      throw notFound(run)
    }
    var text = answer.run
    for (list, rows) in zip(wanted, answer.rows) {
      text += ",\"\(list.rawValue)\":" + page(rows, of: list.rawValue, items: "items", limit: include.limit)
    }
    return text + "}"
  }

  /// The caller's runs, newest first, as JSON text `{"runs": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func list(limit: Int, cursor: String?, as caller: Principal) async throws -> String {
    var before: UUID?
    if let cursor {
      let place = try Cursor(cursor)
      guard place.list == "runs", let id = UUID(uuidString: place.key) else { throw Cursor.foreign }
      before = id
    }
    let rows = try await store.list(before: before, limit: limit + 1, as: caller)
    return page(rows, of: "runs", items: "runs", limit: limit)
  }

  /// Events after a number, oldest first.
  ///
  /// - Parameters:
  ///   - run: whose.
  ///   - after: exclusive; 0 begins at the first.
  ///   - limit: 1 to 1,000.
  ///   - level: the least level; nil gives all.
  ///   - caller: who asks.
  /// - Returns: the events.
  /// - Throws: `run.not_found`; `run.logs_expired` with `details.oldest_seq` when events after `after` are gone.
  package func logs(
    of run: UUID, after: Int64, limit: Int, level: String?, as caller: Principal
  ) async throws -> [StoredEvent] {
    let levels = ["debug", "info", "warn", "error"]
    guard let least = levels.firstIndex(of: level ?? "debug") else {
      throw SimplonError(.requestInvalid, "\"level\" must be one of debug, info, warn, error")
    }
    let events = try await store.logs(
      of: run, after: after, limit: limit, levels: Array(levels[least...]), as: caller)
    guard let events else { throw notFound(run) }
    if events.first.map({ $0.seq - 1 }) != after, let start = try await queue.streamStart(of: run) {
      try start.refuseExpired(after)
    }
    return events
  }

  /// Checks that the caller may follow the run from there on.
  ///
  /// - Parameters:
  ///   - run: whose stream.
  ///   - after: the number of the last event that the caller has seen; one that is not there yet counts as the last.
  ///   - caller: who asks.
  /// - Returns: the number to follow from, exclusive; nil when the run is finished and everything was seen.
  /// - Throws: `run.not_found`; `run.logs_expired` with `details.oldest_seq` when events after `after` are gone.
  package func authorizeStream(of run: UUID, after: Int64, as caller: Principal) async throws -> Int64? {
    guard try await store.isVisible(run, as: caller) else { throw notFound(run) }
    let start = try await queue.streamStart(of: run)
    return try mark(in: start, after: after, of: run)
  }

  private func mark(in start: StreamStart?, after: Int64, of run: UUID) throws -> Int64? {
    guard let start else { throw notFound(run) }
    try start.refuseExpired(after)
    return start.finished && after >= start.lastSeq ? nil : min(after, start.lastSeq)
  }

  /// Makes a ticket that opens the run's stream where no header can be sent.
  ///
  /// - Returns: the ticket, which is stored as a hash only, and when it ends, ISO 8601.
  /// - Throws: `run.not_found`.
  package func issueTicket(for run: UUID, as caller: Principal) async throws -> (ticket: String, expiresAt: String) {
    try signedIn(caller)
    var generator = SystemRandomNumberGenerator()
    let ticket = Ticket(using: &generator)
    let expires = try await store.issueTicket(
      for: run, hash: ticket.hash, tokenExpires: caller.expiresAt ?? 4_102_444_800, as: caller)
    return (ticket.token, expires)
  }

  /// The principal behind a ticket.
  ///
  /// - Throws: `auth.ticket` when it is unknown, for another run, first used too late, or has ended.
  package func redeemTicket(_ ticket: String, for run: UUID) async throws -> Principal {
    guard let ticket = Ticket(parsing: ticket),
      let row = try await queue.redeemTicket(hash: ticket.hash, run: run),
      let role = row.claims["role"]?.string.flatMap(Principal.Role.init(rawValue:))
    else {
      throw SimplonError(
        .authTicket, "the ticket is unknown, has ended, or is for another run",
        hint: "Ask for a new one: POST /agent/logs/ticket")
    }
    return Principal(
      role: role, subject: row.claims["sub"]?.string.flatMap(UUID.init(uuidString:)),
      claims: row.claims.object ?? [:], source: .ticket, expiresAt: row.expiresAt)
  }

  /// An artifact's facts and where its bytes lie.
  ///
  /// - Throws: `run.artifact_not_found`, `storage.unavailable`.
  package func artifact(_ id: UUID, as caller: Principal) async throws -> StoredArtifact {
    guard let row = try await store.artifact(id, as: caller) else {
      throw SimplonError(.runArtifactNotFound, "there is no artifact \(id.uuidString.lowercased()) of yours")
    }
    return StoredArtifact(
      name: row.path.split(separator: "/").last.map(String.init) ?? "artifact", path: row.path, mime: row.mime,
      size: Int(row.size), sha256: row.sha256, file: try blobs.path(of: row.sha256, for: row.user))
  }

  /// Why the run is not finished, as JSON text `{code, message, details?}`.
  ///
  /// - Throws: `run.not_found`.
  package func why(_ run: UUID, as caller: Principal) async throws -> String {
    try signedIn(caller)
    return try await store.why(run, as: caller)
  }

  private func signedIn(_ caller: Principal) throws(SimplonError) {
    guard caller.role != .anon else {
      throw SimplonError(
        .authForbidden, "the anon key is no user: agents work for signed-in users",
        hint: "Send a user's token: Authorization: Bearer …")
    }
  }

  private func notFound(_ run: UUID) -> SimplonError {
    SimplonError(.runNotFound, "there is no run \(run.uuidString.lowercased()) of yours")
  }

  private func page(_ rows: [(key: String, json: String)], of list: String, items: String, limit: Int) -> String {
    let shown = rows.prefix(limit)
    let next = rows.count > limit ? shown.last.map { "\"\(Cursor(list: list, key: $0.key).text)\"" } : nil
    return "{\"\(items)\":[\(shown.map(\.json).joined(separator: ","))],\"next_cursor\":\(next ?? "null")}"
  }
}

/// An artifact as a door serves it.
package struct StoredArtifact: Sendable {
  /// The last part of its path.
  package let name: String
  /// Its path in the work folder.
  package let path: String
  /// Its media type.
  package let mime: String
  /// Its length in bytes.
  package let size: Int
  /// The SHA-256 of its bytes, in hex.
  package let sha256: String
  /// Where the bytes lie on this machine.
  package let file: String
}

extension StreamStart {
  /// Refuses a position below retention.
  fileprivate func refuseExpired(_ after: Int64) throws(SimplonError) {
    guard after < lastSeq, after < oldestSeq - 1 else { return }
    throw SimplonError(
      .runLogsExpired, "events before number \(oldestSeq) are no longer kept",
      hint: "Begin after \(oldestSeq - 1).", details: ["oldest_seq": .integer(oldestSeq)])
  }
}
