import FoundationEssentials
import SimplonCore

extension RunExecution {
  /// Makes the run that a step asks for, or finds it, and waits for its end where the step does.
  ///
  /// The machine is told of the wait. When nothing else of this run is at work it gives the run up, and with it this call;
  /// whoever ends the other run queues this one again.
  ///
  /// - Throws: `tool.input`, `plan.*` and `workflow.*` for what cannot be asked for; `run.limit`; `run.stale`; `database.*`.
  func runChild(_ start: StepStart, _ stack: LayerStack, _ layers: RunLayers, jitter: Double) async throws -> StepEnd {
    var child: ChildRun
    if let made = try await store.child(of: claim, step: start.step.id) {
      child = made
    } else {
      let request = try await childRequest(start.input)
      child = try await intake.admit(claim.userID, isQueued: { (_: ChildRun) in true }) {
        try await store.createChild(of: claim, step: start.step.id, request)
      }
    }
    if child.status == "queued" { wakeUp.runQueued() }
    let waits = start.input["wait"]?.bool ?? true
    if waits, !child.isOver {
      inbox.post(.input(.awaits(stepID: start.step.id, child: child.id)))
      var looks = 0
      while !child.isOver {
        looks += 1
        try await Task.sleep(for: Backoff(base: .milliseconds(100), cap: .seconds(10)).delay(attempt: looks))
        guard let now = try await store.child(child.id) else {
          throw SimplonError(.runChildFailed, "run \(child.id.uuidString.lowercased()) has been deleted")
        }
        child = now
      }
    }
    var hash: String?
    if start.input["files"]?.bool == true, child.isOver {
      let layer = try LayerManifest(putting: try await store.keptFiles(of: child.id), into: try stack.view())
      if !layer.entries.isEmpty {
        let kept = try await tools.blobs.put(layer.json.utf8, for: claim.userID).sha256
        layers.keep(layer, hash: kept)
        hash = kept
      }
    }
    return StepEnd(
      stepID: start.step.id, output: child.output, error: waits ? child.failure : nil, layerHash: hash, jitter: jitter)
  }

  /// The input as a request for a run that may use no other tools than this one.
  private func childRequest(_ input: JSON) async throws -> JSON {
    var members = input.object ?? [:]
    members["wait"] = nil
    members["files"] = nil
    var request: CreateRun
    do throws(SimplonError) {
      request = try CreateRun(json: .object(members))
    } catch {
      throw SimplonError(.toolInput, error.message, hint: error.hint, cause: error)
    }
    let allowed = claim.tools
    if let allowed, let name = request.tools?.first(where: { !allowed.contains($0) }) {
      throw SimplonError(
        .toolInput, "\"tools\" names \"\(name.prefix(64))\", which this run may not use itself",
        hint: "tools: " + allowed.joined(separator: ", "))
    }
    request.tools = request.tools ?? allowed
    if let name = request.workflow {
      guard let saved = try await store.workflow(name, of: claim.userID) else { throw SimplonError.noWorkflow(name) }
      try request.take(saved)
    }
    if let plan = request.plan { request.plan = try Plan(json: plan, tools: tools.catalog.only(request.tools)).json }
    return request.json
  }
}

extension ChildRun {
  /// What the step gives.
  fileprivate var output: JSON {
    [
      "run_id": .string(id.uuidString.lowercased()), "status": .string(status), "result": result ?? .null,
      "error": error ?? .null,
    ]
  }

  /// Why the step has failed, when the run has not come to its end.
  fileprivate var failure: SimplonError? {
    guard status != "completed" else { return nil }
    let run = id.uuidString.lowercased()
    let why = error?["message"]?.string.map { ": \($0)" } ?? ""
    return SimplonError(
      .runChildFailed, status == "cancelled" ? "run \(run) was stopped" : "run \(run) failed\(why)",
      hint: "Resume this run: it resumes that one.",
      details: ["run_id": .string(run), "status": .string(status)])
  }
}
