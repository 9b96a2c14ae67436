import Crypto
package import FoundationEssentials
package import SimplonCore
package import SimplonIdentity
package import SimplonPostgres

/// Everything a caller can do with runs.
///
/// The server's routes enter here, and through them the command line and the live page.
///
/// Each call runs as its caller inside PostgreSQL. Another user's run is `run.not_found`, as if it did not exist.
package struct Runs: Sendable {
  let store: RunStore
  private let logs: LogStore
  let tickets: TicketStore
  let tools: ToolCatalog
  private let blobs: BlobStore
  private let intake: Intake
  let responses: ResponseStore
  let wakeUp: WakeUp

  /// Puts the use cases together.
  ///
  /// - Parameters:
  ///   - callers: a client whose login may become the API roles and has no rights of its own.
  ///   - engine: a client whose sessions are `service_role`.
  ///   - statementTimeout: how long one statement of a caller may take.
  ///   - tools: what plans may use.
  ///   - blobs: where artifacts lie.
  ///   - wakeUp: tells workers and streams that something happened.
  ///   - intake: how much may wait before further runs are refused.
  package init(
    callers: PostgresClient, engine: PostgresClient, statementTimeout: Duration, tools: ToolCatalog, blobs: BlobStore,
    wakeUp: WakeUp, intake: IntakeLimits = IntakeLimits()
  ) {
    self.store = RunStore(client: callers, statementTimeout: statementTimeout)
    self.logs = LogStore(client: engine)
    self.tickets = TicketStore(callers: callers, engine: engine, statementTimeout: statementTimeout)
    self.responses = ResponseStore(callers: callers, statementTimeout: statementTimeout)
    self.tools = tools
    self.blobs = blobs
    self.wakeUp = wakeUp
    let depth = QueueDepth(client: engine)
    self.intake = Intake(limits: intake) { part, limit in try await depth.count(part, upTo: limit) }
  }

  /// Makes a run, or gives the one that the same key made before.
  ///
  /// - Parameters:
  ///   - request: what to do.
  ///   - idempotencyKey: 1 to 255 bytes of printable ASCII, per user; the same key with another body is refused.
  ///   - caller: whose run it becomes.
  /// - Returns: the run, new or made before.
  /// - Throws: `plan.*`, `request.*`, `workflow.*`, `database.*`; `run.queue_full` and `server.overloaded` when there is too
  ///   much to do.
  package func create(
    _ request: CreateRun, idempotencyKey: String?, as caller: Principal
  ) async throws -> RunReceipt {
    try signedIn(caller)
    let stored = try await prepared(request, as: caller)
    if let key = idempotencyKey,
      !(1...255).contains(key.utf8.count) || !key.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
    {
      throw SimplonError(
        .requestInvalid, "the idempotency key must be 1 to 255 bytes of printable ASCII",
        details: ["field": "Idempotency-Key", "limit_bytes": 255])
    }
    let body = stored.json
    // A workflow may change between two requests that are the same.
    let compared = request.workflow == nil ? body : request.json
    let hash = idempotencyKey.map { _ in Array(SHA256.hash(data: compared.utf8)) }
    let starts = request.start
    let receipt = try await intake.admit(
      caller.subject, isQueued: { (receipt: RunReceipt) in receipt.isNew && starts }
    ) {
      try await store.create(body, key: idempotencyKey, hash: hash, as: caller)
    }
    if receipt.isNew, request.start { wakeUp.runQueued() }
    return receipt
  }

  /// The request as it is stored: with the plan of the workflow that it names, and with its plan checked.
  ///
  /// - Throws: `workflow.not_found`, `workflow.input`, `plan.*`; `run.limit` for more steps than the budget allows.
  func prepared(_ request: CreateRun, as caller: Principal) async throws -> CreateRun {
    var request = request
    if let name = request.workflow {
      guard let saved = try await store.workflow(name, as: caller) else { throw SimplonError.noWorkflow(name) }
      try request.take(saved)
    }
    if let plan = request.plan {
      let read = try Plan(json: plan, tools: tools)
      if let allowed = request.tools, let step = read.steps.first(where: { !allowed.contains($0.tool) }) {
        throw SimplonError(
          .planUnknownTool, "step \"\(step.id)\" uses \"\(step.tool)\", which is not among the run's \"tools\"")
      }
      if let most = request.budget?.maximumSteps, read.steps.count > most {
        throw SimplonError(
          .runLimit, "the plan has \(read.steps.count) steps, and its budget allows \(most)",
          hint: "Raise \"max_steps\", or leave it out.")
      }
      request.plan = read.json
    }
    return request
  }

  /// Starts, stops, resumes or retries a run.
  ///
  /// - Parameters:
  ///   - action: what to do; a resume also goes on with a run that waits for its budget.
  ///   - run: which.
  ///   - budget: at a resume, what takes the place of the same members of the budgets of the run and of all below it.
  ///   - caller: who asks.
  /// - Returns: the new status.
  /// - Throws: `run.state` when the run's state does not allow it, `run.not_found`; `request.invalid` for a budget with
  ///   another action; for a start what is thrown when there is too much to do already.
  package func act(
    _ action: RunAction, on run: UUID, within budget: Budget? = nil, as caller: Principal
  ) async throws -> String {
    try signedIn(caller)
    guard budget == nil || action == .resume else {
      throw SimplonError(
        .requestInvalid, "a \"budget\" goes with \"create\" and \"resume\" alone", details: ["field": "budget"])
    }
    let status: String
    if action == .start {
      status = try await intake.admit(caller.subject, isQueued: { (_: String) in true }) {
        try await store.act(action, on: run, within: nil, as: caller)
      }
    } else {
      status = try await store.act(action, on: run, within: budget, as: caller)
    }
    if action != .stop { wakeUp.runQueued() }
    wakeUp.runsChanged([run])
    return status
  }

  /// Makes a run that begins where another one was.
  ///
  /// What was settled up to there is taken over: no step of it is done again, and no file is copied.
  ///
  /// - Parameters:
  ///   - run: where it comes from; whatever its status, it goes on as it was.
  ///   - request: `step_id`, `at_message`, `message`, `model`, `output`, `prompt`, all of which may be left out.
  ///   - caller: who asks; the new run is the old one's owner's.
  /// - Returns: the new run and its status.
  /// - Throws: `run.not_found`; `run.state` for a step that has no output yet; `request.invalid`; `run.queue_full` and
  ///   `server.overloaded` when there is too much to do.
  package func fork(
    _ run: UUID, _ request: [String: JSON], as caller: Principal
  ) async throws -> (run: UUID, status: String) {
    try signedIn(caller)
    if let model = request["model"]?.string, ModelName(model) == nil {
      throw SimplonError(
        .requestInvalid, "\"model\" must be anthropic/NAME or openai/NAME", details: ["field": "model"])
    }
    for name in ["prompt", "message"] {
      guard let text = request[name]?.string else { continue }
      guard !text.isEmpty, !text.utf8.contains(0) else {
        throw SimplonError(
          .requestInvalid, "\"\(name)\" must be text without U+0000", details: ["field": .string(name)])
      }
    }
    let fork = try await intake.admit(caller.subject, isQueued: { (_: (run: UUID, status: String)) in true }) {
      try await store.fork(run, .object(request), as: caller)
    }
    wakeUp.runQueued()
    return fork
  }

  /// Writes down how far the run is; gives its status and the snapshot's id.
  ///
  /// - Throws: `run.not_found`.
  package func snapshot(_ run: UUID, as caller: Principal) async throws -> (status: String, snapshot: UUID) {
    try signedIn(caller)
    return try await store.snapshot(run, as: caller)
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
      throw SimplonError.noRun(run)
    }
    var text = String(Substring(answer.run.utf8.dropLast()))
    for (list, page) in zip(wanted, answer.pages) {
      text += ",\"\(list.rawValue)\":" + page.json("items", of: list.rawValue)
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
    return try await store.list(before: before, limit: limit, as: caller).json("runs", of: "runs")
  }

  /// Events after a number, oldest first; fewer than asked for when they are more than 8 MiB.
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
    guard let events else { throw SimplonError.noRun(run) }
    if events.first.map({ $0.seq - 1 }) != after { try await logs.start(of: run).refuseExpired(after) }
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
    guard try await store.isVisible(run, as: caller) else { throw SimplonError.noRun(run) }
    let start = try await logs.start(of: run)
    return try mark(in: start, after: after)
  }

  private func mark(in start: StreamStart, after: Int64) throws -> Int64? {
    try start.refuseExpired(after)
    return start.finished && after >= start.lastSeq ? nil : min(after, start.lastSeq)
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

  func signedIn(_ caller: Principal) throws(SimplonError) {
    guard caller.role != .anon else {
      throw SimplonError(
        .authForbidden, "the anon key is no user: agents work for signed-in users",
        hint: "Send a user's token: Authorization: Bearer …")
    }
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
