import FoundationEssentials
import Logging
import SimplonCore
import Synchronization

/// Drives one claimed run: performs what its machine asks for, one write after the other.
///
/// All of a run's writes go through this one loop, so its event numbers need no other order. It ends when the run is
/// over, handed back, parked, or lost to another worker; then none of its sandboxes is alive.
struct RunExecution: Sendable {
  /// What reaches a run from outside and from its own steps.
  enum Signal: Sendable {
    case input(RunMachine.Input)
    case linesDue
    /// What was held back until quick calls are over is to be written now.
    case writeDue
    /// The lease is lost or the run was stopped: drop everything.
    case lost
    /// The grace period is over: end the steps and give the run back.
    case handBack
  }

  /// How often a run that goes on looks for what was said to its questions.
  private static let pause = Duration.seconds(1)

  let claim: ClaimedRun
  let lease: Lease
  let inbox: Inbox<Signal>
  let store: HeldRunStore
  let settler: Settler
  let tools: ToolBox
  let models: ModelRouter
  let wakeUp: WakeUp
  let use: RecentUse
  let intake: Intake
  let logger: Logger
  /// The operator's.
  let caps: SpendingCaps
  /// How long what a model has said waits for the quick calls that it makes.
  let patience: Duration

  private var ledger: LedgerStore { LedgerStore(client: store.client, caps: caps) }

  func run() async {
    var logger = logger
    logger[metadataKey: "run_id"] = "\(claim.held.id.uuidString.lowercased())"
    let journal = RunJournal(claim: claim, lease: lease, settler: settler, wakeUp: wakeUp, inbox: inbox)
    do {
      do {
        try await drive(journal)
      } catch let error as SimplonError where error.isFinal {
        // What can never be written, however often the run is taken up, ends it.
        logger.error("run cannot go on", metadata: ["error": "\(String(reflecting: error))"])
        try await journal.write(RunTurn(ending: .failed(error: error.json)))
      }
    } catch is CancellationError {
    } catch let error as SimplonError where error.code == .runStale {
      logger.info("run was lost to another holder", metadata: ["epoch": "\(claim.held.epoch)"])
    } catch {
      // The lease runs out and recovery puts the run back.
      logger.error("run was dropped", metadata: ["error": "\(String(reflecting: error))"])
    }
  }

  private func drive(_ journal: RunJournal) async throws {
    // The first epoch of a run has nothing before it.
    let isNew = claim.held.epoch == 1
    var records = isNew ? [] : try await store.steps(of: claim.held.id, attempt: claim.attempt)
    if records.contains(where: \.isQuestion) {
      let responses = try await store.responses(of: claim.held.id, attempt: claim.attempt)
      for index in records.indices {
        if let response = responses[records[index].id] { records[index].response = response.json }
      }
    }
    var machine: RunMachine
    do {
      let run: JSON = [
        "id": .string(claim.held.id.uuidString.lowercased()), "attempt": .integer(claim.attempt),
        "metadata": try JSON(parsing: claim.metadata),
      ]
      if let text = claim.plan {
        machine = RunMachine(
          plan: try Plan(json: JSON(parsing: text), tools: tools.catalog.only(claim.tools)), records: records, run: run,
          approvals: tools.approvals)
      } else if let prompt = claim.prompt {
        guard models.has(claim.model) else {
          return try await journal.write(RunTurn(ending: .modelMissing(claim.model)))
        }
        let messages = isNew ? [] : try await store.messages(of: claim.held.id, attempt: claim.attempt)
        let settled = records.settled
        let limits = try await ledger.limits(of: claim.held.id)
        let catalog = tools.catalog.only(claim.tools)
        let connectors = tools.connectors.serving(claim.userID, among: claim.connectors)
        machine = RunMachine(
          try Supervisor(
            prompt: prompt, tools: catalog, shown: catalog.naming(connectors), messages: messages, settled: settled,
            run: run, limits: limits),
          records: records, kept: Set(settled.keys), approvals: tools.approvals)
      } else {
        return try await journal.write(RunTurn(ending: .workflowMissing))
      }
    } catch let error as SimplonError where !error.code.rawValue.hasPrefix("database.") || error.isFinal {
      return try await journal.write(RunTurn(ending: .failed(error: error.json)))
    }
    var isReleased = false
    let layers = RunLayers(blobs: tools.blobs, user: claim.userID)
    try await withThrowingDiscardingTaskGroup { group in
      defer { group.cancelAll() }
      var turn = machine.turn()
      var isHandedBack = false
      var isListening = false

      func begin(_ start: StepStart) {
        let files =
          start.step.declaration.usesFiles
          ? machine.files(before: start.step.id) : RunFiles(steps: [], replaces: { _, _ in false })
        let hashes = machine.layerHashes
        let reservation = start.request == nil ? nil : turn.reservation
        group.addTask {
          let begun = ContinuousClock.now
          let input = await perform(
            start, files, layers: layers, hashes: hashes, journal: journal, reservation: reservation)
          // A run that the step waits for counts by itself.
          if start.step.tool != RunTool.declaration.name {
            use.add(stepOf: claim.userID, took: ContinuousClock.now - begun, tokens: input?.tokens ?? 0)
          }
          inbox.post(input.map { .input($0) } ?? .lost)
        }
      }

      /// Waits until something has happened, and gives what the machine makes of it.
      func next() async throws -> (turn: RunTurn, isWriteDue: Bool) {
        let signals = await inbox.take()
        guard !signals.isEmpty else { throw CancellationError() }
        var inputs = [RunMachine.Input]()
        var isWriteDue = false
        for signal in signals {
          switch signal {
          case .input(let input):
            if case .responded = input { isListening = false }
            inputs.append(input)
          case .linesDue: break
          case .writeDue: isWriteDue = true
          case .lost: throw CancellationError()
          case .handBack:
            // What has ended is written first, and nothing more is begun.
            isHandedBack = true
            inputs.append(.drain)
          }
        }
        return (inputs.isEmpty ? RunTurn() : machine.turn(after: inputs), isWriteDue)
      }

      while true {
        // What a model calls for and leaves no trace begins at once, and is written with its answer when it is quick.
        let early = turn.calls.isEmpty ? [] : turn.starts.filter(\.leavesNoTrace)
        if !early.isEmpty {
          for start in early { begin(start) }
          turn.starts.removeAll(where: \.leavesNoTrace)
          let isAlone = turn.starts.isEmpty
          group.addTask {
            try? await Task.sleep(for: patience)
            inbox.post(.writeDue)
          }
          while isAlone, !machine.working.isDisjoint(with: early.map(\.step.id)) {
            let more = try await next()
            turn.add(more.turn)
            if more.isWriteDue || isHandedBack { break }
          }
        }
        if let outcome = turn.outcome, outcome.isFinal {
          turn.conclude(claim, with: await collectArtifacts(machine, layers))
        }
        if let outcome = turn.outcome { turn.events += outcome.events }
        if !turn.isEmpty {
          try await write(&turn, journal)
        } else if let wait = try await journal.flush() {
          group.addTask {
            try? await Task.sleep(for: wait)
            inbox.post(.linesDue)
          }
        }
        isReleased = turn.outcome?.releases == true
        if isReleased || isHandedBack { return }
        for start in turn.starts { begin(start) }
        for wait in turn.waits {
          group.addTask {
            try? await Task.sleep(for: wait.delay)
            inbox.post(.input(.waitOver(stepID: wait.stepID)))
          }
        }
        if machine.isAsking, !isListening {
          isListening = true
          group.addTask { await listen() }
        }
        turn = try await next().turn
      }
    }
    // A run that this one waits for may have ended while it was still held.
    if machine.waitsForRuns, isReleased, (try? await store.wake(claim.held.id)) == true { wakeUp.runQueued() }
    // No sandbox is alive any more.
    if !isReleased { try await journal.write(RunTurn(ending: .queued)) }
  }

  /// Writes the turn. A question that it begins is reserved with it, and made ready meanwhile.
  private func write(_ turn: inout RunTurn, _ journal: RunJournal) async throws {
    guard let index = turn.starts.firstIndex(where: { $0.request != nil }), let request = turn.starts[index].request,
      let model = models.likely(claim.model.flatMap(ModelName.init))
    else { return try await journal.write(turn) }
    let id = UUID()
    let reservation = LedgerStore.reservation(
      id, for: claim.held, attempt: claim.attempt, stepID: turn.starts[index].step.id, model: model,
      tokens: request.reckonedTokens)
    turn.reservation = EarlyReservation(id: id, model: model, request: reservation, caps: caps.json)
    async let prepared = models.prepared(request, for: model)
    try await journal.write(turn)
    turn.starts[index].request = await prepared
  }

  /// Waits until a person has responded to an open question, or its time is over, while other steps are at work.
  private func listen() async {
    while true {
      do {
        try await Task.sleep(for: Self.pause)
        let responses = try await store.responses(of: claim.held.id, attempt: claim.attempt)
        for (step, response) in responses { inbox.post(.input(.responded(stepID: step, response))) }
        guard responses.isEmpty else { return }
      } catch is CancellationError {
        return
      } catch {
        logger.debug("questions wait for the database", metadata: ["error": "\(error)"])
      }
    }
  }

  /// Calls the tool, or asks the model; what goes wrong by the step's own doing becomes its error.
  ///
  /// Nil when the lease ran out under it: then nobody knows how far it came, and the next holder does it again.
  private func perform(
    _ start: StepStart, _ files: RunFiles, layers: RunLayers, hashes: [String: String], journal: RunJournal,
    reservation: EarlyReservation?
  ) async -> RunMachine.Input? {
    let jitter = Double.random(in: 0...1)
    let calls = start.request.map { _ in
      CallLedger(store: ledger, claim: claim, stepID: start.step.id, lease: lease, early: reservation)
    }
    do {
      let step = start.step
      if let request = start.request {
        let reply = try await ask(request, in: step.id, calls, journal)
        let isSummary = start.input["for"] != nil
        if reply.turn.text.isBlank,
          isSummary ? reply.stop != .refused : reply.stop == .ended && reply.turn.calls.isEmpty
        {
          throw SimplonError(.modelProtocol, "the model has said nothing", retry: .backoff)
        }
        // Not a word of the transcript, so that a resume can ask again.
        let error =
          reply.stop == .refused
          ? SimplonError(
            .modelRefused, "the model declines to go on", hint: "Ask in other words, or ask another model.")
          : nil
        return .ended(
          StepEnd(
            stepID: step.id, output: reply.output, error: error, layerHash: nil, reply: reply, jitter: jitter,
            calls: calls?.ends ?? []))
      }
      let stack =
        step.declaration.usesFiles
        ? try await layers.stack(of: files, hashes: hashes) : LayerStack()
      if step.tool == RunTool.declaration.name {
        return .ended(try await runChild(start, stack, layers, jitter: jitter))
      }
      let call = ToolCall(
        runID: claim.held.id, stepID: start.step.id, attempt: claim.attempt, userID: claim.userID,
        connectors: claim.connectors, input: start.input,
        timeout: start.step.timeout ?? start.step.declaration.timeout, layers: stack, lease: lease)
      func waiting(_ waits: Bool) {
        inbox.post(.input(waits ? .waits(stepID: step.id) : .begins(stepID: step.id)))
      }
      let result = try await tools.run(tool: start.step.tool, call, waiting: waiting) { line in
        journal.add(StepLine(stepID: start.step.id, line: line))
      }
      if let layer = result.layer, let hash = result.layerHash { layers.keep(layer, hash: hash) }
      return .ended(
        StepEnd(
          stepID: start.step.id, output: result.output, error: result.error, layerHash: result.layerHash, jitter: jitter
        ))
    } catch {
      guard lease.isValid else { return nil }
      let error = SimplonError(wrapping: error)
      let end = StepEnd(
        stepID: start.step.id, output: .null, error: error, layerHash: nil, jitter: jitter, calls: calls?.ends ?? [])
      // What may go well another time, or elsewhere, is no fault of the step's. A stale lease is one that was renewed
      // after its end had killed the sandbox.
      return error.retry != .never || error.code == .runStale ? .interrupted(end) : .ended(end)
    }
  }

  /// Asks the model; what it says goes into the log line by line.
  private func ask(
    _ request: ModelRequest, in stepID: String, _ calls: CallLedger?, _ journal: RunJournal
  ) async throws -> ModelReply {
    let lines = Mutex(LogLineSplitter(.model, room: 1 << 20))
    @Sendable func log(_ line: LogLine) { journal.add(StepLine(stepID: stepID, line: line)) }
    let reply = try await models.reply(
      to: request, from: claim.model.flatMap(ModelName.init), ledger: calls
    ) { text in
      lines.withLock { $0.add(Array(text.utf8), log) }
    }
    lines.withLock { $0.finish(log) }
    return reply
  }

  /// The files that the run keeps, also those of a failed one.
  private func collectArtifacts(
    _ machine: RunMachine, _ layers: RunLayers
  ) async -> Result<[ArtifactFile], SimplonError> {
    guard !machine.artifacts.isEmpty, !machine.layerHashes.isEmpty else { return .success([]) }
    do {
      let stack = try await layers.stack(of: machine.files(before: nil), hashes: machine.layerHashes)
      return .success(try stack.view().artifacts(matching: machine.artifacts))
    } catch {
      return .failure(SimplonError(wrapping: error))
    }
  }
}
