import FoundationEssentials
import SimplonCore

extension RunExecution {
  /// Where a claimed run begins.
  enum Beginning {
    case machine(RunMachine)
    /// It ends, or waits, without a step.
    case ending(RunOutcome)
  }

  /// The machine of the run where its rows say that it stands.
  func takeUp() async throws -> Beginning {
    // The first epoch of a run has nothing before it.
    let isNew = claim.held.epoch == 1
    var records = isNew ? [] : try await store.steps(of: claim.held.id, attempt: claim.attempt)
    if records.contains(where: \.isQuestion) {
      let responses = try await store.responses(of: claim.held.id, attempt: claim.attempt)
      for index in records.indices {
        if let response = responses[records[index].id] { records[index].response = response.json }
      }
    }
    do {
      let run: JSON = [
        "id": .string(claim.held.id.uuidString.lowercased()), "attempt": .integer(claim.attempt),
        "metadata": try JSON(parsing: claim.metadata),
      ]
      if let text = claim.plan {
        return .machine(
          RunMachine(
            plan: try Plan(json: JSON(parsing: text), tools: tools.catalog.only(claim.tools)), records: records,
            run: run, approvals: tools.approvals))
      } else if let prompt = claim.prompt {
        guard models.has(claim.model) else { return .ending(.modelMissing(claim.model)) }
        let messages = isNew ? [] : try await store.messages(of: claim.held.id, attempt: claim.attempt)
        let settled = records.settled
        let limits = try await ledger.limits(of: claim.held.id)
        let catalog = tools.catalog.only(claim.tools)
        let connectors = tools.connectors.serving(claim.userID, among: claim.connectors)
        return .machine(
          RunMachine(
            try Supervisor(
              prompt: prompt, tools: catalog, shown: catalog.naming(connectors), messages: messages, settled: settled,
              run: run, limits: limits),
            records: records, kept: Set(settled.keys), approvals: tools.approvals))
      } else {
        return .ending(.workflowMissing)
      }
    } catch let error as SimplonError where !error.code.rawValue.hasPrefix("database.") || error.isFinal {
      return .ending(.failed(error: error.json))
    }
  }
}
