import FoundationEssentials
import SimplonCore
import SimplonIdentity
import Testing

@testable import SimplonAgents

extension Engine {
  /// Registers an agent: everybody's, or a user's own.
  func register(_ agent: String, owner: Principal? = nil) async throws {
    let owner = owner?.subject.map { JSON.string($0.uuidString) } ?? .null
    _ = try await registry.register(
      AgentRegistration(json: ["agent_id": .string(agent), "user_id": owner]), as: Engine.service)
  }

  /// The agent as the service sees it.
  func agent(_ agent: String) async throws -> JSON {
    try await JSON(parsing: registry.agent(agent, as: Engine.service))
  }
}

/// Expects a refusal, by its code.
func expectError(_ code: SimplonError.Code, _ body: () async throws -> Void) async {
  let error = await #expect(throws: SimplonError.self) { try await body() }
  #expect(error?.code == code, "\(error?.description ?? "")")
}
