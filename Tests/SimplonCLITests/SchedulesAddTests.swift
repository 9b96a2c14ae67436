import ArgumentParser
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import simplon

@Suite(.timeLimit(.minutes(1))) struct SchedulesAddTests {
  @Test func `a schedule asks for the model, the tools and the connectors that were named`() async throws {
    let saved = #"{"next_due": "2027-01-01T09:00:00Z"}"#
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Type: application/json", body: saved)])
    var command: any AsyncParsableCommand = try SchedulesAdd.parse([
      "mornings", "--cron", "0 9 * * *", "--prompt", "What is new?", "--model", "openai/small", "--tool", "http",
      "--tool", "memory", "--connector", "crm", "--url", "http://127.0.0.1:\(server.port)", "--token", "t",
    ])
    try await command.run()
    let asked = try #require(server.requests.withLock { $0.first })
    let end = try #require(asked.firstRange(of: "\r\n\r\n"))
    let body = try JSON(parsing: String(asked[end.upperBound...]))
    #expect(body["name"] == "mornings" && body["cron"] == "0 9 * * *")
    #expect(
      body["run"] == [
        "prompt": "What is new?", "model": "openai/small", "tools": ["http", "memory"], "connectors": ["crm"],
      ])
  }
}
