import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SimplonAgents
import SimplonCore

extension ServerClient {
  /// Follows a run's events from after a number to its `done`; connects again as often as needed.
  ///
  /// - Throws: the server's own error; `server.unreachable` after ten tries in a row without an event; what `handle`
  ///   throws when it cannot print.
  func follow(_ run: String, after: Int64 = 0, _ handle: (StreamedEvent) throws -> Void) async throws {
    var last = after
    var failures = 0
    while true {
      var wait = Duration.zero
      var isDone = false
      do {
        var headers = ["Accept": "text/event-stream"]
        if last > 0 { headers["Last-Event-ID"] = String(last) }
        let response = try await send(.get, "/agent/logs", query: ["run_id": run, "mode": "stream"], headers: headers)
        if response.status == .noContent { return }
        var parser = EventStreamParser(code: .requestTooLarge)
        for try await chunk in response.body {
          for event in try parser.feed(chunk.readableBytesView) {
            failures = 0
            if let id = event.id.flatMap({ Int64($0) }) { last = id }
            try handle(event)
            // A run that was retried or resumed goes on after it.
            isDone = event.kind == "done"
          }
        }
        if isDone { return }
        failures += 1
      } catch let error as Print.Failure {
        throw error
      } catch {
        guard let error = failure(error) as? SimplonError else { throw CancellationError() }
        failures += 1
        guard failures < 10, error.code.status >= 500 || error.code == .requestRateLimited else { throw error }
        if case .after(let time) = error.retry { wait = time }
      }
      guard failures < 10 else {
        throw SimplonError(.serverUnreachable, "the stream of run \(run) ends again and again without an event")
      }
      let backoff = Backoff(base: .milliseconds(100), cap: .seconds(3)).delay(attempt: max(failures, 1))
      try await Task.sleep(for: max(wait, backoff))
    }
  }
}

extension StreamedEvent {
  /// The data as JSON, or null.
  var json: JSON { (try? JSON(parsing: data, depth: ServerClient.depth)) ?? .null }
}
