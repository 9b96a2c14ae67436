import SimplonCore

extension ServerClient {
  /// A run with these of its lists, such as `steps`, each with its first thousand items; see ``all(_:of:)``.
  func run(_ id: String, including lists: [String]) async throws -> JSON {
    var query = ["run_id": id, "limit": "1000"]
    for list in lists { query["include_\(list)"] = "true" }
    return try await call(.get, "/agent/status", query: query)
  }

  /// The items of a run's list: those of the page that came with the run, and of all pages after it.
  func all(_ list: String, of run: JSON) async throws -> [JSON] {
    var page = run[list]
    var items = page?["items"]?.array ?? []
    while let cursor = page?["next_cursor"]?.string {
      page = try await call(
        .get, "/agent/status", query: ["run_id": run["run_id"]?.string ?? "", "cursor": cursor, "limit": "1000"])[list]
      items += page?["items"]?.array ?? []
    }
    return items
  }

  /// Sends an action about a run, with what it takes besides; gives the id and status of the run, or of the new one.
  func act(_ action: String, on run: String, _ members: [String: JSON] = [:]) async throws -> JSON {
    var body = members
    body["action"] = .string(action)
    body["run_id"] = .string(run)
    return try await call(.post, "/agent/execute", body: .object(body))
  }
}
