import FoundationEssentials
import SimplonCore
import SimplonIdentity
import Testing

@testable import SimplonAgents

/// What a person says to a run's steps, and what becomes of these.
extension Engine {
  func respond(_ response: JSON, to run: UUID, as caller: Principal = Engine.alice) async throws -> String {
    try await runs.respond(RunResponse(json: response), to: run, as: caller)
  }

  /// The code with which a response is refused.
  func refusal(_ response: JSON, to run: UUID, as caller: Principal = Engine.alice) async -> SimplonError.Code? {
    let error = await #expect(throws: SimplonError.self) { try await respond(response, to: run, as: caller) }
    return error?.code
  }

  /// A step as the run's status shows it.
  func step(_ id: String, of run: UUID) async throws -> JSON {
    let steps = try await status(run, lists: [.steps])["steps"]?["items"]?.array ?? []
    return try #require(steps.first { $0["step_id"]?.string == id })
  }
}
