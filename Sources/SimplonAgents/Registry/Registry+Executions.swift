import SimplonCore
package import SimplonIdentity

extension Registry {
  /// Makes a run of the caller's that does a typed task, and the execution that follows it.
  ///
  /// - Parameters:
  ///   - request: the task.
  ///   - idempotencyKey: as ``Runs/create(_:idempotencyKey:as:)`` takes it; without one, the task's own name is the key.
  ///   - caller: whose run it becomes.
  /// - Returns: the task and its run, new or made before.
  /// - Throws: `agent.not_found`; `agent.state` for an agent in maintenance; `execution.state` when the task's name is
  ///   taken; and what making a run throws.
  package func runTask(
    _ request: TaskRequest, idempotencyKey: String?, as caller: Principal
  ) async throws -> TaskReceipt {
    let key = idempotencyKey ?? request.taskID.map { "task:\($0)" }
    let receipt = try await runs.create(request.run, idempotencyKey: key, as: caller)
    return TaskReceipt(taskID: receipt.taskID ?? "", run: receipt)
  }

  /// Takes the report of an execution that an agent has done elsewhere; the same again makes no difference.
  ///
  /// - Returns: the execution, and whether it is new.
  /// - Throws: `agent.not_found`, `auth.forbidden`; `execution.state` when the task's name is taken.
  package func report(
    _ report: ExecutionReport, as caller: Principal
  ) async throws -> (execution: String, isNew: Bool) {
    try await executionStore.report(report, as: caller)
  }

  /// Takes what has become of such an execution.
  ///
  /// - Throws: `execution.not_found`, `auth.forbidden`; `execution.state` when it has ended, or follows a run of ours.
  package func change(execution task: String, _ change: ExecutionChange, as caller: Principal) async throws -> String {
    try await executionStore.change(task, change.json, as: caller)
  }

  /// One execution.
  ///
  /// - Throws: `execution.not_found`.
  package func execution(_ task: String, as caller: Principal) async throws -> String {
    guard let text = try await executionStore.execution(task, as: caller) else {
      throw SimplonError(.executionNotFound, "there is no execution \"\(task.prefix(200))\" of yours")
    }
    return text
  }

  /// The caller's executions, the newest first, as `{"executions": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`; `agent.not_found` when they shall be of an agent that the caller does not see.
  package func executions(_ query: ListQuery, as caller: Principal) async throws -> String {
    guard let page = try await executionStore.list(query, as: caller) else {
      throw SimplonError.noAgent(query.agentID ?? "")
    }
    return page.json("executions", of: "executions")
  }
}
