import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct StatusTests {
  @Test func `one run is shown by query and by body alike`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      let byQuery = try await server.send(.get, "/agent/status?run_id=\(run.text)")
      let byBody = try await server.send(.post, "/agent/status", ["run_id": .string(run.text)])
      #expect(byQuery.status == 200)
      #expect(byQuery.json == byBody.json)
      #expect(byQuery.json["run_id"] == .string(run.text))
      #expect(byQuery.json["status"] == "pending")
      #expect(byQuery.json["steps"] == nil)
      let head = try await server.send(.head, "/agent/status?run_id=\(run.text)")
      #expect(head.status == 200)
      #expect(head.text == "")
      #expect(head.headers[.contentLength] == String(byQuery.text.utf8.count))
    }
  }

  @Test func `lists come when they are asked for`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      let names = ["steps", "logs", "messages", "artifacts"]
      let query = names.map { "&include_\($0)=true" }.joined()
      let answer = try await server.send(.get, "/agent/status?run_id=\(run.text)\(query)&limit=10")
      for name in names { #expect(answer.json[name]?["items"]?.array != nil, "\(name)") }
      let refused = try await server.send(.get, "/agent/status?include_steps=true")
      #expect(refused.code == "request.invalid")
    }
  }

  @Test func `the caller's runs come newest first, page by page`() async throws {
    try await withServer { server in
      var made = [String]()
      for _ in 0..<5 { made.append(try await server.makeRun().text) }
      _ = try await server.send(.post, "/agent/execute", ["action": "create", "prompt": "x"], token: server.stranger)
      var seen = [String]()
      var cursor: String?
      repeat {
        let query = cursor.map { "&cursor=" + $0.replacingPlus } ?? ""
        let answer = try await server.send(.get, "/agent/status?limit=2\(query)")
        seen += (answer.json["runs"]?.array ?? []).compactMap { $0["run_id"]?.string }
        cursor = answer.json["next_cursor"]?.string
      } while cursor != nil && seen.count < 20
      #expect(seen == made.reversed())
      #expect(try await server.send(.get, "/agent/status?cursor=nonsense").code == "request.cursor")
    }
  }

  @Test func `a cursor goes on in the list that it came from and in no other`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      func cursor(_ list: String, _ key: String) -> String {
        "cursor=" + Data("\(list):\(key)".utf8).base64EncodedString().replacingPlus
      }
      for query in [cursor("artifacts", run.text), cursor("steps", "1"), cursor("runs", "1")] {
        #expect(try await server.send(.get, "/agent/status?\(query)").code == "request.cursor")
      }
      for query in [cursor("runs", run.text), cursor("steps", run.text), cursor("artifacts", "1")] {
        #expect(try await server.send(.get, "/agent/status?run_id=\(run.text)&\(query)").code == "request.cursor")
      }
      let steps = try await server.send(.get, "/agent/status?run_id=\(run.text)&\(cursor("steps", "0"))")
      #expect(steps.json["steps"] != nil && steps.json["logs"] == nil)
    }
  }

  @Test(arguments: ["limit=0", "limit=1001", "limit=x", "run_id=x", "include_steps=1", "colour=red", "run_id=&run_id="])
  func `a query outside of its ranges is refused`(_ query: String) async throws {
    try await withServer { server throws in
      #expect(try await server.send(.get, "/agent/status?\(query)").status == 400)
    }
  }

  @Test func `why gives a reason`() async throws {
    try await withServer { server in
      let run = try await server.makeRun()
      for answer in [
        try await server.send(.get, "/agent/why?run_id=\(run.text)"),
        try await server.send(.post, "/agent/why", ["run_id": .string(run.text)]),
      ] {
        #expect(answer.status == 200)
        #expect(answer.json["code"]?.string != nil)
        #expect(answer.json["message"]?.string != nil)
      }
    }
  }
}

extension String {
  /// A base64 text as a query's value.
  fileprivate var replacingPlus: String {
    map { $0 == "+" ? "%2B" : $0 == "/" ? "%2F" : $0 == "=" ? "%3D" : String($0) }.joined()
  }
}
