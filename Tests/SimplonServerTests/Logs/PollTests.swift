import FoundationEssentials
import HTTPTypes
import NIOCore
import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct PollTests {
  @Test func `pages follow each other with no gap and no repeat`() async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(7, done: true))
      var seen = [JSON]()
      var after = 0
      while true {
        let answer = try await server.send(.get, "/agent/logs?run_id=\(run.text)&limit=3&after=\(after)")
        let page = answer.json["logs"]?.array ?? []
        after = answer.json["next_after"]?.integer ?? -1
        guard !page.isEmpty else { break }
        seen += page
      }
      #expect(seen.map { $0["kind"] } == ["status"] + Array(repeating: "log", count: 7) + ["done"])
      #expect(seen.compactMap { $0["seq"]?.integer } == Array(1...seen.count))
      #expect(after == seen.count)
      #expect(seen.last.map { Set($0.object?.keys ?? [:].keys) } == ["seq", "at", "level", "kind", "payload"])
      let body = try await server.send(
        .post, "/functions/v1/agent-logs", ["run_id": .string(run.text), "mode": "poll"])
      #expect(body.json["logs"]?.array == seen)
    }
  }

  @Test func `what is below retention is 410 with the oldest number`() async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(9, done: false))
      try await server.expire(run, 5)
      for mode in ["poll", "stream"] {
        let answer = try await server.send(.get, "/agent/logs?run_id=\(run.text)&mode=\(mode)&after=3")
        #expect(answer.status == 410)
        #expect(answer.code == "run.logs_expired")
        #expect(answer.json["details"]?["oldest_seq"] == 5)
      }
      #expect(try await server.send(.get, "/agent/logs?run_id=\(run.text)&after=4").status == 200)
    }
  }

  @Test(arguments: [
    "after=-1", "after=x", "after=9223372036854775808", "after=9223372036854775807",
    "after=9007199254740993", "limit=0", "level=loud", "mode=push", "colour=red",
  ])
  func `a query outside of its ranges is refused`(_ query: String) async throws {
    try await withServer { server in
      let answer = try await server.send(.get, "/agent/logs?run_id=\(UUID().text)&\(query)")
      #expect(answer.status == 400)
    }
  }

  @Test(arguments: ["poll", "stream"])
  func `a number far above every event is no fault`(_ mode: String) async throws {
    try await withServer { server in
      let run = try await server.makeRun(ServerUnderTest.lines(2, done: true))
      let answer = try await server.send(
        .get, "/agent/logs?run_id=\(run.text)&mode=\(mode)&after=9007199254740992")
      #expect(answer.status == (mode == "poll" ? 200 : 204))
    }
  }

  @Test func `a payload passes as it was stored, on one line`() {
    let event = StoredEvent(
      seq: 3, at: "2026-11-20T10:00:00.000001+00:00", level: "info", kind: "log",
      payload: "{\"n\": 1.10000000000000000001,\n \"text\": \"a\\nb\"}")
    var buffer = ByteBuffer()
    event.writeServerSentEvent(to: &buffer)
    #expect(
      String(buffer: buffer) == """
        id: 3
        event: log
        data: {"seq":3,"at":"2026-11-20T10:00:00.000001+00:00","level":"info","kind":"log",\
        "payload":{"n": 1.10000000000000000001,  "text": "a\\nb"}}


        """)
  }
}
