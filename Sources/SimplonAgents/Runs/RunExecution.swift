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
    case thing(RunThing)
    case linesDue
    /// The lease is lost or the run was stopped: drop everything.
    case lost
    /// The grace period is over: end the steps and give the run back.
    case handBack
  }

  let claim: ClaimedRun
  let lease: Lease
  let inbox: Inbox<Signal>
  let queue: QueueStore
  let settler: Settler
  let tools: ToolBox
  let wakeUp: WakeUp
  let logger: Logger

  func run() async {
    var logger = logger
    logger[metadataKey: "run_id"] = "\(claim.held.id.uuidString.lowercased())"
    let journal = RunJournal(claim: claim, lease: lease, queue: queue, settler: settler, wakeUp: wakeUp, inbox: inbox)
    do {
      do {
        try await drive(journal)
      } catch let error as SimplonError where error.isFinal && error.code != .runStale {
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
    guard let json = claim.plan else {
      return try await journal.write(RunTurn(ending: claim.hasPrompt ? .modelMissing : .workflowMissing))
    }
    let plan: Plan
    do {
      plan = try Plan(json: json, tools: tools.catalog)
    } catch {
      return try await journal.write(RunTurn(ending: .failed(error: error.json)))
    }
    // The first epoch of a run has nothing before it.
    let records = claim.held.epoch == 1 ? [] : try await queue.steps(of: claim.held.id, attempt: claim.attempt)
    var machine = RunMachine(
      plan: plan, records: records,
      run: [
        "id": .string(claim.held.id.uuidString.lowercased()), "attempt": .integer(claim.attempt),
        "metadata": claim.metadata,
      ])
    var isHandedBack = false
    try await withThrowingDiscardingTaskGroup { group in
      defer { group.cancelAll() }
      var turn = machine.turn()
      while true {
        if let outcome = turn.outcome, outcome.isFinal {
          turn.conclude(with: await collectArtifacts(plan, machine.layerHashes))
        }
        if let outcome = turn.outcome { turn.events += outcome.events }
        if !turn.isEmpty { try await journal.write(turn) }
        if turn.outcome?.releases == true { return }
        for start in turn.starts {
          let hashes = machine.layerHashes
          group.addTask {
            let end = await perform(start, plan: plan, hashes: hashes, journal: journal)
            inbox.post(end.map { .thing(.ended($0)) } ?? .lost)
          }
        }
        for wait in turn.waits {
          group.addTask {
            try? await Task.sleep(for: wait.delay)
            inbox.post(.thing(.waitOver(stepID: wait.stepID)))
          }
        }
        var things = [RunThing]()
        while things.isEmpty {
          let signals = await inbox.take()
          guard !signals.isEmpty else { throw CancellationError() }
          for signal in signals {
            switch signal {
            case .thing(let thing): things.append(thing)
            case .linesDue: break
            case .lost: throw CancellationError()
            case .handBack: return isHandedBack = true
            }
          }
          if things.isEmpty, let wait = try await journal.flush() {
            group.addTask {
              try? await Task.sleep(for: wait)
              inbox.post(.linesDue)
            }
          }
        }
        turn = machine.turn(after: things)
      }
    }
    // No sandbox is alive any more.
    if isHandedBack { try await journal.write(RunTurn(ending: .queued)) }
  }

  /// Calls the tool; whatever goes wrong becomes the step's error.
  ///
  /// Nil when the lease ran out under it: then nobody knows how far it came, and the next holder does it again.
  private func perform(
    _ start: StepStart, plan: Plan, hashes: [String: String], journal: RunJournal
  ) async -> StepEnd? {
    let jitter = Double.random(in: 0...1)
    do {
      let call = ToolCall(
        runID: claim.held.id, stepID: start.step.id, attempt: claim.attempt, userID: claim.userID, input: start.input,
        timeout: start.step.timeout ?? start.step.declaration.timeout,
        layers: try await stack(of: plan.ancestors(of: start.step.id), plan: plan, hashes: hashes), lease: lease)
      let result = try await tools.run(tool: start.step.tool, call) { line in
        journal.add(
          RunEvent(
            level: line.level, kind: "log",
            payload: line.damaged
              ? [
                "step_id": .string(start.step.id), "stream": .string(line.stream), "text": .string(line.text),
                "damaged": true,
              ] : ["step_id": .string(start.step.id), "stream": .string(line.stream), "text": .string(line.text)]))
      }
      return StepEnd(
        stepID: start.step.id, output: result.output, error: result.error, layerHash: result.layerHash, jitter: jitter)
    } catch {
      guard lease.isValid else { return nil }
      return StepEnd(
        stepID: start.step.id, output: .null, error: SimplonError(wrapping: error), layerHash: nil, jitter: jitter)
    }
  }

  /// The layers that these steps left.
  private func stack(of steps: [String], plan: Plan, hashes: [String: String]) async throws -> LayerStack {
    var layers = [LayerStack.Layer]()
    for id in steps {
      guard let hash = hashes[id] else { continue }
      layers.append(
        LayerStack.Layer(
          stepID: id, ancestors: Set(plan.ancestors(of: id)),
          manifest: try await tools.blobs.layer(hash, for: claim.userID)))
    }
    return LayerStack(layers)
  }

  /// The files that the plan keeps, also those of a failed run.
  private func collectArtifacts(
    _ plan: Plan, _ hashes: [String: String]
  ) async -> Result<[ArtifactFile], SimplonError> {
    guard !plan.artifacts.isEmpty, !hashes.isEmpty else { return .success([]) }
    do {
      let stack = try await stack(of: plan.steps.map(\.id), plan: plan, hashes: hashes)
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
  fileprivate mutating func conclude(with artifacts: Result<[ArtifactFile], SimplonError>) {
    switch artifacts {
    case .success(let found):
      for artifact in found {
        let json = artifact.json(id: UUID())
        self.artifacts.append(json)
        events.append(RunEvent(kind: "artifact", payload: json))
      }
    case .failure(let error):
      if case .completed = outcome { outcome = .failed(error: error.json) }
    }
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
