import SimplonCore

extension ServerOptions {
  /// Sends an action about a run and prints the new status.
  func act(_ action: String, on run: String) async throws {
    let answer = try await client().call(
      .post, "/agent/execute", body: ["action": .string(action), "run_id": .string(run)])
    try json ? Print.out(answer) : Print.out("run \(run) is \(Print.clean(answer["status"]?.string ?? ""))")
  }
}
