import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
  @Test(arguments: [false, true])
  func `a finished run's stream is its log and ends`(_ live: Bool) async throws {
    try await withServer(live: live) { server in
      let run = try await server.makeRun(ServerUnderTest.lines(2500, done: true))
      let answer = try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream")
      #expect(answer.status == 200)
      #expect(answer.headers[.contentType] == "text/event-stream; charset=utf-8")
      let events = streamed(answer.text)
      #expect(events.map(\.id) == (1...2502).map { String($0) })
      #expect(events.last?.kind == "done")
      let page = try await server.send(.get, "/agent/logs?run_id=\(run.text)&limit=1000").json["logs"]?.array ?? []
      #expect(events.prefix(1000).map(\.data) == page)
    }
  }

  @Test(arguments: ["GET", "POST"])
  func `a stream resumes after any event, the header beating the field`(_ method: String) async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(5, done: true))
      func ids(after: Int?, header: String?) async throws -> [String] {
        let headers: HTTPFields = header.map { [.lastEventID: $0] } ?? [:]
        let query = after.map { "&after=\($0)" } ?? ""
        var body: [String: JSON] = ["run_id": .string(run.text), "mode": "stream"]
        body["after"] = after.map { .integer($0) }
        let answer =
          method == "GET"
          ? try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream\(query)", headers: headers)
          : try await server.send(.post, "/functions/v1/agent-logs", .object(body), headers: headers)
        return streamed(answer.text).map(\.id)
      }
      #expect(try await ids(after: 2, header: nil) == ["3", "4", "5", "6", "7"])
      #expect(try await ids(after: 2, header: "4") == ["5", "6", "7"])
      #expect(try await ids(after: 4, header: "0") == ["1", "2", "3", "4", "5", "6", "7"])
      #expect(try await ids(after: 4, header: "") == ["5", "6", "7"])
    }
  }

  @Test func `a finished run's stream reopened at its end is 204`() async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(2, done: true))
      let answer = try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream&after=4")
      #expect(answer.status == 204)
      #expect(answer.text == "")
    }
  }

  @Test(arguments: ["x", "-1", "1.5", "99999999999999999999", "9007199254740993"])
  func `a last event id that is none is refused`(_ header: String) async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      let answer = try await server.send(
        .get, "/agent/logs?run_id=\(run.text)&mode=stream", headers: [.lastEventID: header])
      #expect(answer.code == "request.invalid")
    }
  }

  @Test func `events arrive while the run goes on`() async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(1, done: false))
      async let answer = server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream")
      for _ in 0..<20 { try await server.append(run, ServerUnderTest.lines(1, done: false)) }
      try await server.append(run, ServerUnderTest.lines(0, done: true))
      #expect(try await streamed(answer.text).map(\.id) == (1...23).map { String($0) })
    }
  }

  @Test func `a stream ends with the token`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      let expiring = server.expiring(Int(Date().timeIntervalSince1970) + 2)
      let answer = try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream", token: expiring)
      #expect(answer.text.hasPrefix("retry: 2000\n\n"))
      #expect(streamed(answer.text).last?.kind == "expired")
      #expect(streamed(answer.text).last?.id == "")
    }
  }

  @Test func `a reader that is sent away learns why`() {
    let error = SimplonError(.databaseUnavailable, "PostgreSQL cannot be reached")
    let event = streamed(EventStream.reconnect(error))[0]
    #expect(event.kind == "reconnect" && event.id == "")
    #expect(event.data["code"] == "database.unavailable")
    #expect(event.data["message"] == "PostgreSQL cannot be reached")
    #expect(event.data["hint"]?.string?.contains("Last-Event-ID") == true)
  }

  @Test func `a ticket opens its run's stream and nothing else`() async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(2, done: true))
      let other = try await server.makeRun(ServerUnderTest.lines(2, done: true))
      let issued = try await server.send(.post, "/agent/logs/ticket", ["run_id": .string(run.text)])
      #expect(issued.status == 200)
      #expect(issued.json["expires_at"]?.string != nil)
      let ticket = issued.json["ticket"]?.string ?? ""
      func open(_ run: UUID, _ ticket: String, _ mode: String = "stream") async throws -> ServerUnderTest.Answer {
        try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=\(mode)&ticket=\(ticket)", token: nil)
      }
      #expect(streamed(try await open(run, ticket).text).count == 4)
      #expect(streamed(try await open(run, ticket).text).count == 4)
      #expect(try await open(other, ticket).code == "auth.ticket")
      #expect(try await open(run, "tkt_no").code == "auth.ticket")
      #expect(try await open(run, ticket, "poll").code == "auth.ticket")
      #expect(
        try await server.send(.get, "/agent/status?run_id=\(run.text)&ticket=\(ticket)", token: nil).status == 401)
      #expect(
        try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=stream", token: nil).code == "auth.missing")
    }
  }
}

/// The events of a stream; comments are dropped.
func streamed(_ text: String) -> [(id: String, kind: String, data: JSON)] {
  text.split(separator: "\n\n").compactMap { block in
    var fields = [Substring: Substring]()
    for line in block.split(separator: "\n") where !line.hasPrefix(":") {
      let colon = line.firstIndex(of: ":") ?? line.endIndex
      fields[line[..<colon]] = line[colon...].dropFirst(2)
    }
    guard let data = fields["data"] else { return nil }
    return (String(fields["id"] ?? ""), String(fields["event"] ?? "message"), (try? JSON(parsing: data.utf8)) ?? .null)
  }
}
