import FoundationEssentials
import SimplonCore
import Synchronization

extension RunExecution {
  /// Calls the tool, or asks the model; what goes wrong by the step's own doing becomes its error.
  ///
  /// Nil when the lease ran out under it: then nobody knows how far it came, and the next holder does it again.
  func perform(
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
        if isSummary ? reply.turn.text.isBlank && reply.stop != .refused : reply.isEmpty {
          throw SimplonError(
            .modelProtocol, "the model has said nothing",
            hint: reply.stop == .maximumTokens
              ? "The reply was cut before its first word: it may think too long." : nil,
            retry: .backoff)
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
  func collectArtifacts(
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
