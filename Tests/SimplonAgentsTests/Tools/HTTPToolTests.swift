import FoundationEssentials
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import SimplonAgents

@Suite(.timeLimit(.minutes(1))) struct HTTPToolTests {
  /// The tool, for which every name is this machine, and a server.
  private struct Web {
    let server: CannedServer
    let folder: TemporaryFolder
    let blobs: BlobStore
    let tool: HTTPTool
    let owners = Owners()

    /// For whom names were looked up.
    final class Owners: Sendable {
      let all = Mutex([UUID?]())
    }

    init(_ answers: String..., connector: JSON? = nil, approvals: String = "") throws {
      server = CannedServer(answers)
      folder = try TemporaryFolder()
      blobs = try BlobStore(root: folder.path + "/blobs")
      var list = [JSON]()
      if case .object(var members)? = connector {
        members["name"] = "crm"
        members["kind"] = "http"
        members["base_url"] = .string(server.url("crm.test", "/v1"))
        members["allow_private"] = true
        list.append(.object(members))
      }
      let rules = try EgressRules(["a.test:\(server.port)"], allowsPrivate: true)
      let egress = EgressClient(rules: rules) { [owners] _, owner in
        owners.all.withLock { $0.append(owner) }
        return [NetworkAddress("127.0.0.1")].compactMap(\.self)
      }
      let connectors = Connectors(try Connector.list(parsing: JSON.array(list).text), logger: .quiet)
      tool = HTTPTool(
        egress: egress, connectors: connectors,
        approvals: try ApprovalRules(parsing: approvals, tools: ToolBox.catalog), blobs: blobs)
    }

    func call(
      _ input: [String: JSON], run: UUID = UUID(), user: UUID? = nil, timeout: Duration = .seconds(10)
    ) async throws -> ToolResult {
      var input = input
      if input["connector"] == nil, input["url"] == nil { input["url"] = .string(server.url("a.test")) }
      return try await tool.run(
        ToolCall(
          runID: run, stepID: "step", attempt: 2, userID: user, input: .object(input), timeout: timeout,
          layers: LayerStack(), lease: .long))
    }

    var asked: [String] { server.requests.withLock { $0 } }
  }

  private static let json = "Content-Type: application/json"

  @Test func `an answer becomes an output, whatever its status`() async throws {
    let web = try Web(
      CannedServer.answer(
        "404 Not Found", "Content-Type: application/problem+json; charset=utf-8", "X-One: a", "x-one: b",
        "Set-Cookie: a=1", "Set-Cookie: b=2", body: #"{"n": 1.10}"#))
    let result = try await web.call([:])
    #expect(result.error == nil && result.output["status"] == 404 && result.output["truncated"] == false)
    #expect(result.output["json"] == ["n": .number("1.10")] && result.output["body"] == nil)
    #expect(result.output["headers"]?["x-one"] == "a, b")
    #expect(result.output["headers"]?["set-cookie"] == ["a=1", "b=2"])
  }

  @Test func `names are looked up for the run's owner, after a redirect too`() async throws {
    let web = try Web(CannedServer.answer("302 Found", "Location: /b"), CannedServer.answer("200 OK"))
    let user = UUID()
    #expect(try await web.call([:], user: user).output["status"] == 200)
    #expect(web.owners.all.withLock { $0 } == [user, user])
  }

  @Test(arguments: [
    (#"[{"tool": "http", "argument": "url", "matches": "*/guarded"}]"#, 307),
    (#"[{"tool": "http", "argument": "method", "matches": "POST"}]"#, 307),
    (#"[{"tool": "http", "argument": "method", "matches": "GET"}]"#, 200),
    (#"[{"tool": "http", "argument": "url", "matches": "*/elsewhere"}]"#, 200),
  ])
  func `a redirect to where a person has to approve is not followed`(_ rules: String, _ status: Int) async throws {
    let web = try Web(
      CannedServer.answer("307 Temporary Redirect", "Location: /%67uarded"), CannedServer.answer("200 OK"),
      approvals: rules)
    let output = try await web.call(["method": "POST", "body": "x"]).output
    #expect(output["status"] == .integer(status))
    #expect(output["headers"]?["location"] == (status == 307 ? "/%67uarded" : nil))
    #expect(web.asked.count == (status == 307 ? 1 : 2))
  }

  @Test func `a connector's redirect is judged by its path below the base`() async throws {
    let found = CannedServer.answer("302 Found", "Location: /v1/admin?x=1")
    let rules = #"[{"connector": "crm", "argument": "path", "matches": "/admin"}]"#
    let web = try Web(found, CannedServer.answer("200 OK"), connector: [:], approvals: rules)
    #expect(try await web.call(["connector": "crm", "path": "/x"]).output["status"] == 302)
    #expect(web.asked.count == 1)
  }

  @Test func `a body is text, or kept as a blob, and cut where the input says`() async throws {
    let long = CannedServer.answer("200 OK", body: "日本語")
    let web = try Web(
      CannedServer.answer("200 OK", "Content-Type: text/plain", body: "hello"), long,
      CannedServer.answer("200 OK", body: "a\0b"), CannedServer.answer("200 OK", Self.json, body: "{broken"),
      CannedServer.answer("200 OK", Self.json, body: #"{"long": "value"}"#))
    #expect(try await web.call([:]).output["body"] == "hello")
    let cut = try await web.call(["max_bytes": 7]).output
    #expect(cut["body"] == "日本" && cut["truncated"] == true)
    let raw = try await web.call([:]).output
    let blob = try #require(raw["body_blob"]?.string)
    #expect(raw["body"] == nil)
    #expect(try await web.blobs.read(blob, for: nil, limit: 10) == [0x61, 0, 0x62])
    #expect(try await web.call([:]).output["body"] == "{broken")
    #expect(try await web.call(["max_bytes": 5]).output["body"] == "{\"lon")
  }

  @Test func `a request carries what the input says`() async throws {
    let ok = CannedServer.answer("200 OK")
    let web = try Web(ok, ok)
    _ = try await web.call([
      "method": "POST", "json": ["b": [1], "a": .number("1.0")], "headers": ["X-Own": "yes", "Accept": "text/csv"],
      "query": ["q": "a&b", "n": [1, true]],
    ])
    _ = try await web.call(["method": "PUT", "body": "text", "headers": ["content-type": "text/csv"]])
    let asked = web.asked
    #expect(asked[0].hasPrefix("POST /?n=1&n=true&q=a%26b HTTP/1.1\r\n") && asked[0].hasSuffix(#"{"a":1.0,"b":[1]}"#))
    for part in ["X-Own: yes\r\n", "Accept: text/csv\r\n", "Content-Type: application/json\r\n"] {
      #expect(asked[0].contains(part), "\(asked[0])")
    }
    #expect(asked[1].hasSuffix("\r\n\r\ntext") && asked[1].contains("text/csv") && !asked[1].contains("text/plain"))
  }

  @Test func `a key is that of run, step and attempt, or the caller's own`() async throws {
    let ok = CannedServer.answer("200 OK")
    let web = try Web(ok, ok, ok)
    let run = UUID()
    _ = try await web.call(["method": "POST", "idempotency": true], run: run)
    _ = try await web.call(["method": "POST", "idempotency_key": "mine", "headers": ["idempotency-key": "x"]])
    _ = try await web.call(["method": "POST"])
    let asked = web.asked
    #expect(asked[0].contains("Idempotency-Key: \(run.uuidString.lowercased())/step/2\r\n"))
    #expect(asked[1].contains("Idempotency-Key: mine\r\n") && !asked[1].contains(": x\r\n"))
    #expect(!asked[2].lowercased().contains("idempotency"))
  }

  @Test(
    arguments: [
      ["url": "http://a.test/", "connector": "crm"], ["path": "/x", "url": "http://a.test/"],
      ["body": "x"], ["method": "POST", "body": "x", "json": 1], ["headers": ["Host": "b.test"]],
      ["headers": ["X": "a\r\nY: b"]], ["headers": ["a b": "x"]], ["headers": ["Proxy-Authorization": "x"]],
      ["timeout": "soon"], ["expect": ["ok"]], ["expect": [2000]], ["url": "ftp://a.test/"],
    ] as [JSON])
  func `an input that cannot be is refused before anything is sent`(_ input: JSON) async throws {
    let web = try Web()
    let error = await #expect(throws: SimplonError.self) { try await web.call(input.object ?? [:]) }
    #expect(error?.code == .toolInput)
  }

  @Test func `what is not expected fails the step, with the answer kept`() async throws {
    let wrong = CannedServer.answer("500 Internal Server Error", body: "sorry")
    let web = try Web(wrong, CannedServer.answer("201 Created"), wrong)
    let failed = try await web.call(["expect": ["2xx", 404]])
    #expect(failed.error?.code == .toolFailed && failed.error?.details?["status"] == 500)
    #expect(failed.output["body"] == "sorry")
    #expect(try await web.call(["expect": ["2xx"]]).error == nil)
    #expect(try await web.call(["expect": [500]]).error == nil)
  }

  @Test func `nobody repeats what was sent and not answered, unless that does no harm`() async throws {
    for (input, code) in [
      (["method": "POST"], SimplonError.Code.runInterrupted), (["method": "PATCH"], .runInterrupted),
      (["method": "POST", "idempotency": true], .toolTimeout), (["method": "DELETE"], .toolTimeout),
      (["method": "GET"], .toolTimeout),
    ] as [([String: JSON], SimplonError.Code)] {
      let web = try Web("")
      let error = await #expect(throws: SimplonError.self) {
        try await web.call(input, timeout: .milliseconds(200))
      }
      #expect(error?.code == code, "\(input)")
      #expect((error?.retry == .backoff) == (code == .runInterrupted))
    }
    // Where nothing was sent, nothing can have happened.
    let web = try Web()
    let error = await #expect(throws: SimplonError.self) {
      try await web.call(["method": "POST", "url": "http://b.test/"])
    }
    #expect(error?.code == .toolEgress)
  }

  @Test func `a connector adds its headers, and nobody sees them`() async throws {
    let echo = CannedServer.answer(
      "200 OK", "X-Echo: Bearer swordfish-1", Self.json,
      body: #"{"token": "swordfish-1", "same": "Bearer swordfish-1"}"#)
    let web = try Web(
      echo, echo, connector: ["headers": ["Authorization": "Bearer swordfish-1"], "methods": ["GET", "POST"]])
    let result = try await web.call(["connector": "crm", "path": "/users/1", "headers": ["authorization": "mine"]])
    #expect(web.asked[0].hasPrefix("GET /v1/users/1 HTTP/1.1\r\n"))
    #expect(web.asked[0].contains("Bearer swordfish-1") && !web.asked[0].contains("mine"))
    #expect(!result.output.text.contains("swordfish"))
    #expect(result.output["json"]?["token"] == "***********")
    // Not even in parts, where the answer is cut within it.
    let cut = try await web.call(["connector": "crm", "max_bytes": 20])
    #expect(cut.output["truncated"] == true && !cut.output.text.contains("sword"))
    for input: [String: JSON] in [["connector": "crm", "method": "DELETE"], ["connector": "other"]] {
      let error = await #expect(throws: SimplonError.self) { try await web.call(input) }
      #expect(error?.code == .toolConnector)
    }
    let outside = await #expect(throws: SimplonError.self) {
      try await web.call(["url": .string(web.server.url("crm.test"))])
    }
    #expect(outside?.code == .toolEgress, "only through the connector")
  }

  @Test func `a connector's secret is hidden in whatever way JSON writes it, and its sessions are kept`() async throws {
    let web = try Web(
      CannedServer.answer(
        "200 OK", "Set-Cookie: session=1", Self.json, body: #"{"token": "sword\u0066ish\/1", "sword\u0066ish\/1": 1}"#),
      connector: ["headers": ["X-Key": "swordfish/1"]])
    let output = try await web.call(["connector": "crm"]).output
    #expect(output["json"] == ["token": "***********", "***********": 1])
    #expect(output["headers"]?["set-cookie"] == nil)
    for name in ["Accept-Encoding", "Range", "Accept_Encoding", "X-HTTP-Method-Override", "x_http_method"] {
      let error = await #expect(throws: SimplonError.self) {
        try await web.call(["connector": "crm", "headers": .object([name: "x"])])
      }
      #expect(error?.code == .toolInput, "\(name)")
    }
  }
}
