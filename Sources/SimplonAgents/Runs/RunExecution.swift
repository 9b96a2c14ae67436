import FoundationEssentials
import Logging
import SimplonCore

/// Drives one claimed run: performs what its machine asks for, one write after the other.
///
/// All of a run's writes go through this one loop, so its event numbers need no other order. It ends when the run is
/// over, handed back, parked, or lost to another worker; then none of its sandboxes is alive.
struct RunExecution: Sendable {
  /// What reaches a run from outside and from its own steps.
  enum Signal: Sendable {
    case input(RunMachine.Input)
    case linesDue
    /// What is held back until quick calls are over is to be written, if it still is that turn.
    case writeDue(hold: Int)
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
  let longestHold: Duration

  var ledger: LedgerStore { LedgerStore(client: store.client, caps: caps) }

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
    var machine: RunMachine
    switch try await takeUp() {
    case .ending(let outcome): return try await journal.write(RunTurn(ending: outcome))
    case .machine(let taken): machine = taken
    }
    var isReleased = false
    let layers = RunLayers(blobs: tools.blobs, user: claim.userID)
    try await withThrowingDiscardingTaskGroup { group in
      defer { group.cancelAll() }
      var turn = machine.turn()
      var isHandedBack = false
      var isListening = false
      var hold = 0
      var isHolding = false

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
      func next() async throws -> RunTurn {
        let signals = await inbox.take()
        guard !signals.isEmpty else { throw CancellationError() }
        var inputs = [RunMachine.Input]()
        for signal in signals {
          switch signal {
          case .input(let input):
            if case .responded = input { isListening = false }
            inputs.append(input)
          case .linesDue: break
          case .writeDue(hold): isHolding = false
          case .writeDue: break
          case .lost: throw CancellationError()
          case .handBack:
            // What has ended is written first, and nothing more is begun, whatever came before.
            isHandedBack = true
            isHolding = false
            inputs.insert(.drain, at: 0)
          }
        }
        return inputs.isEmpty ? RunTurn() : machine.turn(after: inputs)
      }

      func post(_ signal: Signal, after delay: Duration) {
        group.addTask {
          try? await Task.sleep(for: delay)
          inbox.post(signal)
        }
      }

      /// Begins what need not be written before, and holds the turn back for its ends where nothing else is to begin.
      func beginEarly() async throws {
        let early = turn.takeEarlyStarts()
        for start in early { begin(start) }
        guard !early.isEmpty, turn.starts.isEmpty else { return }
        hold += 1
        isHolding = true
        post(.writeDue(hold: hold), after: longestHold)
        while isHolding, turn.starts.isEmpty, !machine.working.isDisjoint(with: early.map(\.step.id)) {
          turn.add(try await next())
        }
      }

      while true {
        try await beginEarly()
        if let outcome = turn.outcome, outcome.isFinal {
          turn.conclude(claim, with: await collectArtifacts(machine, layers))
        }
        if let outcome = turn.outcome { turn.events += outcome.events }
        if !turn.isEmpty {
          try await write(&turn, journal)
        } else if let wait = try await journal.flush() {
          post(.linesDue, after: wait)
        }
        isReleased = turn.outcome?.releases == true
        if isReleased || isHandedBack { return }
        for start in turn.starts { begin(start) }
        for wait in turn.waits { post(.input(.waitOver(stepID: wait.stepID)), after: wait.delay) }
        if machine.isAsking, !isListening {
          isListening = true
          group.addTask { await listen() }
        }
        turn = try await next()
      }
    }
    // A run that this one waits for may have ended while it was still held.
    if machine.waitsForRuns, isReleased, (try? await store.wake(claim.held.id)) == true { wakeUp.runQueued() }
    // No sandbox is alive any more.
    if !isReleased { try await journal.write(RunTurn(ending: .queued)) }
  }

  /// Writes the turn; a question that it begins is reserved with it, and made ready meanwhile.
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
}
