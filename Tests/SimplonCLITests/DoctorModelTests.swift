import Foundation
import SimplonAgents
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import simplon

/// Whether a model's server is there and takes the key.
@Suite(.timeLimit(.minutes(1))) struct DoctorModelTests {
  private static let list = #"{"data":[{"id":"m"}]}"#

  private func ask(_ dialect: ModelName.Dialect, _ server: CannedServer, key: String? = "key-of-the-test") async throws
  {
    let url = "http://127.0.0.1:\(server.port)" + (dialect == .openai ? "/v1" : "")
    try await ModelCheck.ask(
      dialect, url: url, key: try key.map { try ModelKey($0) },
      version: dialect == .anthropic ? "2026-10-21" : nil, within: .seconds(20))
  }

  @Test(arguments: [
    (ModelName.Dialect.anthropic, "x-api-key: key-of-the-test"), (.openai, "Authorization: Bearer key-of-the-test"),
  ])
  func `the list of models is asked for, with the key`(_ dialect: ModelName.Dialect, _ header: String) async throws {
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Type: application/json", body: Self.list)])
    try await ask(dialect, server)
    let asked = server.requests.withLock { $0.first ?? "" }
    #expect(asked.hasPrefix("GET /v1/models HTTP/1.1\r\n") && asked.contains("\r\n\(header)\r\n"))
    #expect(asked.contains("anthropic-version: 2026-10-21") == (dialect == .anthropic))
  }

  @Test func `a server that wants no key gets none`() async throws {
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Type: application/json", body: Self.list)])
    try await ask(.openai, server, key: nil)
    let asked = server.requests.withLock { $0.first ?? "Authorization" }
    #expect(!asked.contains("Authorization"))
  }

  @Test(arguments: [
    (ModelName.Dialect.anthropic, "401 Unauthorized", SimplonError.Code.modelAuth),
    (.openai, "401 Unauthorized", .modelAuth), (.openai, "404 Not Found", .modelRequest),
    (.anthropic, "529 Overloaded", .modelOverloaded), (.openai, "302 Found", .modelRequest),
    (.anthropic, "500 Oh", .modelUnavailable), (.openai, "200 OK", .modelProtocol),
  ])
  func `what it says instead is told as a call's error would be`(
    _ dialect: ModelName.Dialect, _ status: String, _ code: SimplonError.Code
  ) async throws {
    let page = CannedServer.answer(status, "Content-Type: text/html", body: "<p>key-of-the-test</p>")
    let error = await #expect(throws: SimplonError.self) { try await ask(dialect, CannedServer([page])) }
    #expect(error?.code == code && error?.message.contains("key-of-the-test") == false)
  }

  @Test func `a server that is not there is unreachable`() async throws {
    let error = await #expect(throws: SimplonError.self) {
      try await ModelCheck.ask(.openai, url: "http://127.0.0.1:1/v1", key: nil, version: nil)
    }
    #expect(error?.code == .modelUnavailable)
    let invalid = await #expect(throws: SimplonError.self) {
      try await ModelCheck.ask(.openai, url: "ftp", key: nil, version: nil)
    }
    #expect(invalid?.code == .configInvalid)
  }

  @Test(
    arguments: [
      ([:], []), (["ANTHROPIC_API_KEY": "k"], ["https://api.anthropic.com"]),
      (["OPENAI_API_KEY": "k"], ["https://api.openai.com/v1"]),
      (["OPENAI_BASE_URL": "http://127.0.0.1:8080/v1/"], ["http://127.0.0.1:8080/v1"]),
      (
        ["ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h/v1"],
        ["https://api.anthropic.com", "http://h/v1"]
      ),
    ] as [([String: String], [String])])
  func `the settings say which servers there are`(_ variables: [String: String], _ urls: [String]) async throws {
    let reader = try await SettingsReader(folder: "/nonexistent", variables: variables)
    #expect(try ModelSettings(reader).endpoints.map(\.url) == urls)
  }

  @Test(arguments: [nil, "2026-10-21"] as [String?])
  func `the settings say which version of Anthropic's API is asked`(_ version: String?) async throws {
    var variables = ["ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"]
    variables["SIMPLON_ANTHROPIC_VERSION"] = version
    let reader = try await SettingsReader(folder: "/nonexistent", variables: variables)
    #expect(try ModelSettings(reader).endpoints.map(\.version) == [version ?? "2023-06-01", nil])
  }

  @Test func `a key that no header could carry is refused`() async throws {
    let reader = try await SettingsReader(folder: "/nonexistent", variables: ["ANTHROPIC_API_KEY": "a b"])
    let error = #expect(throws: SimplonError.self) { try ModelSettings(reader) }
    #expect(error?.code == .configInvalid)
  }
}
