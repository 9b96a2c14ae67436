import Crypto
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
    /// The lease is lost or the run was stopped: drop everything.
    case lost
    /// The grace period is over: end the steps and give the run back.
    case handBack
  }

  let claim: ClaimedRun
  let lease: Lease
  let inbox: Inbox<Signal>
  let store: HeldRunStore
  let settler: Settler
  let tools: ToolBox
  let wakeUp: WakeUp
  let logger: Logger

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
    guard let text = claim.plan else {
      return try await journal.write(RunTurn(ending: claim.hasPrompt ? .modelMissing : .workflowMissing))
    }
    let plan: Plan
    let metadata: JSON
    do {
      plan = try Plan(json: JSON(parsing: text), tools: tools.catalog)
      metadata = try JSON(parsing: claim.metadata)
    } catch {
      return try await journal.write(RunTurn(ending: .failed(error: error.json)))
    }
    // The first epoch of a run has nothing before it.
    let records = claim.held.epoch == 1 ? [] : try await store.steps(of: claim.held.id, attempt: claim.attempt)
    var machine = RunMachine(
      plan: plan, records: records,
      run: [
        "id": .string(claim.held.id.uuidString.lowercased()), "attempt": .integer(claim.attempt),
        "metadata": metadata,
      ])
    var isReleased = false
    let layers = RunLayers(blobs: tools.blobs, user: claim.userID)
    try await withThrowingDiscardingTaskGroup { group in
      defer { group.cancelAll() }
      var turn = machine.turn()
      var isHandedBack = false
      while true {
        if let outcome = turn.outcome, outcome.isFinal {
          turn.conclude(claim, with: await collectArtifacts(plan, layers, machine.layerHashes))
        }
        if let outcome = turn.outcome { turn.events += outcome.events }
        if !turn.isEmpty {
          try await journal.write(turn)
        } else if let wait = try await journal.flush() {
          group.addTask {
            try? await Task.sleep(for: wait)
            inbox.post(.linesDue)
          }
        }
        isReleased = turn.outcome?.releases == true
        if isReleased || isHandedBack { return }
        for start in turn.starts {
          let hashes = machine.layerHashes
          group.addTask {
            let input = await perform(start, plan: plan, layers: layers, hashes: hashes, journal: journal)
            inbox.post(input.map { .input($0) } ?? .lost)
          }
        }
        for wait in turn.waits {
          group.addTask {
            try? await Task.sleep(for: wait.delay)
            inbox.post(.input(.waitOver(stepID: wait.stepID)))
          }
        }
        let signals = await inbox.take()
        guard !signals.isEmpty else { throw CancellationError() }
        var inputs = [RunMachine.Input]()
        for signal in signals {
          switch signal {
          case .input(let input): inputs.append(input)
          case .linesDue: break
          case .lost: throw CancellationError()
          case .handBack:
            // What has ended is written first, and nothing more is begun.
            isHandedBack = true
            inputs.append(.drain)
          }
        }
        turn = inputs.isEmpty ? RunTurn() : machine.turn(after: inputs)
      }
    }
    // No sandbox is alive any more.
    if !isReleased { try await journal.write(RunTurn(ending: .queued)) }
  }

  /// Calls the tool; what goes wrong by the step's own doing becomes its error.
  ///
  /// Nil when the lease ran out under it: then nobody knows how far it came, and the next holder does it again.
  private func perform(
    _ start: StepStart, plan: Plan, layers: RunLayers, hashes: [String: String], journal: RunJournal
  ) async -> RunMachine.Input? {
    let jitter = Double.random(in: 0...1)
    do {
      let step = start.step
      let stack =
        step.declaration.usesFiles
        ? try await layers.stack(of: plan.ancestors(of: step.id), in: plan, hashes: hashes) : LayerStack()
      let call = ToolCall(
        runID: claim.held.id, stepID: start.step.id, attempt: claim.attempt, userID: claim.userID, input: start.input,
        timeout: start.step.timeout ?? start.step.declaration.timeout,
        layers: stack, lease: lease)
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
      let end = StepEnd(stepID: start.step.id, output: .null, error: error, layerHash: nil, jitter: jitter)
      // What may go well another time, or elsewhere, is no fault of the step's. A stale lease is one that was renewed
      // after its end had killed the sandbox.
      return error.retry != .never || error.code == .runStale ? .interrupted(end) : .ended(end)
    }
  }

  /// The files that the plan keeps, also those of a failed run.
  private func collectArtifacts(
    _ plan: Plan, _ layers: RunLayers, _ hashes: [String: String]
  ) async -> Result<[ArtifactFile], SimplonError> {
    guard !plan.artifacts.isEmpty, !hashes.isEmpty else { return .success([]) }
    do {
      let stack = try await layers.stack(of: plan.steps.map(\.id), in: plan, hashes: hashes)
      return .success(try stack.view().artifacts(matching: plan.artifacts))
    } catch {
      return .failure(SimplonError(wrapping: error))
    }
  }
}

extension RunTurn {
  /// A turn that only ends or parks the run.
  fileprivate init(ending outcome: RunOutcome) {
    self.init()
    self.outcome = outcome
    self.events = outcome.events
  }

  /// Adds the run's artifacts; when they cannot be collected, a run that had succeeded fails.
  fileprivate mutating func conclude(_ claim: ClaimedRun, with artifacts: Result<[ArtifactFile], SimplonError>) {
    switch artifacts {
    case .success(let found):
      for artifact in found {
        let json = artifact.json(id: UUID(of: artifact.path, in: claim))
        self.artifacts.append(json)
        events.append(RunEvent(kind: "artifact", payload: json))
      }
    case .failure(let error):
      if case .completed = outcome { outcome = .failed(error: error.json) }
    }
  }
}

extension UUID {
  /// The same for the same path of the same attempt, so that an artifact that is made again keeps its id.
  ///
  /// - Source: RFC 9562 §5.8, version 8.
  fileprivate init(of path: String, in claim: ClaimedRun) {
    var b = Array(SHA256.hash(data: Array("\(claim.held.id)/\(claim.attempt)/\(path)".utf8)).prefix(16))
    b[6] = b[6] & 0x0f | 0x80
    b[8] = b[8] & 0x3f | 0x80
    self.init(
      uuid: (b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]))
  }
}

extension ArtifactFile {
  fileprivate func json(id: UUID) -> JSON {
    [
      "id": .string(id.uuidString.lowercased()), "path": .string(path), "size": .integer(blob.size),
      "mime": .string(mime), "sha256": .string(blob.sha256),
    ]
  }
}

extension RunOutcome {
  fileprivate static var modelMissing: RunOutcome {
    .waiting(reason: [
      "code": "model.not_configured", "message": "The run has a prompt, and no model is configured.",
      "hint": "Models are not there yet; send a \"plan\", which needs none.",
    ])
  }

  fileprivate static var workflowMissing: RunOutcome {
    .failed(
      error: SimplonError(.planNotSupported, "saved workflows are not there yet", hint: "Send \"plan\" instead.").json)
  }
}
