import SimplonCore

extension ServerOptions {
  /// Sends an action about a run and prints the new status.
  func act(_ action: String, on run: String) async throws { try show(try await client().act(action, on: run)) }

  /// Prints what the server says when something was done: which run is in which status.
  func show(_ run: JSON) throws {
    let words = "run \(run["run_id"]?.string ?? "") is \(run["status"]?.string ?? "")"
    try json ? Print.out(run) : Print.out(Print.clean(words))
  }
}
