package import FoundationEssentials
import SimplonCore
package import SimplonIdentity

extension Runs {
  /// Responds to a question of a run, once, or says of a call whether it happened; the run goes on by itself.
  ///
  /// - Returns: the run's status: `queued`, or that of a run whose other steps are at work.
  /// - Throws: `run.state` when the step asks nothing, somebody has responded already or the time to respond is over;
  ///   `request.invalid` when the step does not take what is said; `run.not_found`.
  package func respond(_ response: RunResponse, to run: UUID, as caller: Principal) async throws -> String {
    try signedIn(caller)
    if let answer = response.answer,
      let asked = try await responses.step(response.stepID, of: run, as: caller),
      asked.tool == AskTool.declaration.name, asked.isWaiting
    {
      // What is asked does not change as long as it is open; whether it still is, the database says.
      try AskTool.check(answer, to: asked.input ?? [:])
    }
    let status = try await responses.respond(response.json, to: response.stepID, of: run, as: caller)
    if status == "queued" { wakeUp.runQueued() }
    wakeUp.runsChanged([run])
    return status
  }
}
