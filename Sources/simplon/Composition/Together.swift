import ServiceLifecycle

/// Services that stop at the same time; a group lets one end before it tells the next.
struct Together: Service {
  let services: [any Service]

  func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for service in services { group.addTask { try await service.run() } }
      for try await _ in group {}
    }
  }
}
