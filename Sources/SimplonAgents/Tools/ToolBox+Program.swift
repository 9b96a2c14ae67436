import SimplonCore

extension ToolBox {
  /// Builds the step's folder, runs the program in it, keeps what it left.
  func run(
    _ tool: ProgramTool, _ call: ToolCall, _ waiting: (Bool) -> Void, _ log: @escaping @Sendable (LogLine) -> Void
  ) async throws -> ToolResult {
    guard sandbox.level.isUsable else {
      throw SimplonError(
        .toolUnavailable, "there is no sandbox on this machine: \(sandbox.level.reason ?? "none was found")",
        hint: "on the worker, install bubblewrap (`apt-get install bubblewrap`) and allow user namespaces",
        retry: .backoff)
    }
    let program = try tool.program(call.input)
    let view = try call.layers.view()
    let limits = sandbox.limits
    guard view.entries.count <= limits.workFiles, view.size <= limits.workBytes else {
      throw SimplonError(
        .toolLimit, "the files of the steps before are more than \(limits.workFiles) or \(limits.workBytes) bytes")
    }
    var hasWaited = false
    func wait() {
      hasWaited = true
      waiting(true)
    }
    return try await sandbox.withFolder(for: call.userID, onWait: wait) { folder in
      if hasWaited { waiting(false) }
      guard call.lease.isValid else { throw SimplonError(.runStale, "the lease ran out while the step waited") }
      let work = WorkFolder(path: "\(folder)/work", blobs: blobs, user: call.userID, owner: sandbox.owner)
      try await offPool { try work.build(view) }
      try Task.checkCancellation()
      var outputs = ProgramOutputs(limits.output, log: log)
      let exit = try await sandbox.run(program, in: folder, timeout: call.timeout, lease: call.lease) {
        outputs.add($1, to: $0)
      }
      outputs.finish(exit, limits)
      return try await settle(exit, outputs, call, work, view, log)
    }
  }

  private func settle(
    _ exit: SandboxExit, _ outputs: ProgramOutputs, _ call: ToolCall, _ work: WorkFolder, _ view: LayerView,
    _ log: @escaping @Sendable (LogLine) -> Void
  ) async throws -> ToolResult {
    var error = try Self.error(of: exit, call, sandbox.limits)
    let output = try await outputs.json(exit, blobs, call.userID)
    // A folder beyond its limits is not kept.
    guard exit.reason != .disk else { return ToolResult(output: output, error: error) }
    var layer: LayerManifest?
    var layerHash: String?
    do {
      let limits = sandbox.limits
      let captured = try await offPool { try work.capture(since: view, limits: limits) }
      for warning in captured.warnings { log(LogLine(level: "warn", text: warning, stream: .stderr)) }
      if !captured.layer.entries.isEmpty {
        layer = captured.layer
        layerHash = try await blobs.put(captured.layer.json.utf8, for: call.userID).sha256
      }
    } catch let limit as SimplonError where limit.code == .toolLimit {
      error = error ?? limit
    }
    return ToolResult(output: output, error: error, layer: layer, layerHash: layerHash)
  }

  private static func error(
    of exit: SandboxExit, _ call: ToolCall, _ limits: SandboxLimits
  ) throws(SimplonError) -> SimplonError? {
    let details: JSON = ["exit_code": .integer(exit.code)]
    switch exit.reason {
    case .exited:
      guard exit.code != 0 else { return nil }
      return SimplonError(.toolFailed, "the program ended with exit code \(exit.code)", details: details)
    case .timeout:
      return SimplonError(
        .toolTimeout, "the program was killed after \(call.timeout.short)", hint: "give the step a longer `timeout`",
        details: details)
    case .memory:
      return SimplonError(.toolLimit, "the program needed more than \(limits.memory) bytes of memory", details: details)
    case .disk: return SimplonError(.toolLimit, "the program was killed: \(exit.message)", details: details)
    case .lease: throw SimplonError(.runStale, "the worker's lease ran out while the program ran")
    case .killed: throw SimplonError(.runInterrupted, "the program was stopped from outside", retry: .backoff)
    case .failed: throw SimplonError(.toolUnavailable, "the sandbox could not be made", retry: .backoff)
    }
  }
}
