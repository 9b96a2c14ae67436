import ArgumentParser
import Foundation
import SimplonAgents
import SimplonCore
import Synchronization
import TestSupport
import Testing

@testable import simplon

/// The client against a server that misbehaves.
@Suite(.timeLimit(.minutes(1))) struct FollowTests {
  private let event = "id: 1\nevent: log\ndata: {\"seq\":1,\"kind\":\"log\",\"payload\":{}}\n\n"
  private let done =
    "id: 2\nevent: done\ndata: {\"seq\":2,\"kind\":\"done\",\"payload\":{\"status\":\"completed\"}}\n\n"

  private func stream(_ body: String) -> String {
    CannedServer.answer("200 OK", "Content-Type: text/event-stream", body: body)
  }

  private func client(_ server: CannedServer) -> ServerClient {
    ServerClient(url: "http://127.0.0.1:\(server.port)", token: "t")
  }

  @Test func `a stream that breaks, and one that is asked for too often, goes on where it was`() async throws {
    let limited = CannedServer.answer(
      "429 Too Many Requests", "Retry-After: 1", "Content-Type: application/json",
      body: #"{"code":"request.rate_limited","message":"too many"}"#)
    let server = CannedServer([stream(event), limited, stream(done)])
    var kinds = [String]()
    let begun = ContinuousClock.now
    try await client(server).follow("r") { kinds.append($0.kind) }
    #expect(kinds == ["log", "done"])
    // Longer than after any two failures: as long as the server asked for.
    #expect(ContinuousClock.now - begun >= .seconds(1))
    let requests = server.requests.withLock { $0 }
    #expect(requests.map { $0.contains("Last-Event-ID: 1\r\n") } == [false, true, true])
  }

  @Test func `a run that was retried is followed past its first end`() async throws {
    let retried =
      "id: 3\nevent: status\ndata: {\"seq\":3,\"kind\":\"status\",\"payload\":{\"status\":\"queued\"}}\n\n"
    let server = CannedServer([stream(event + done + retried), stream(done.replacing("2", with: "4"))])
    var numbers = [String]()
    try await client(server).follow("r") { numbers.append($0.id ?? "") }
    #expect(numbers == ["1", "2", "3", "4"])
    let requests = server.requests.withLock { $0 }
    #expect(requests.map { $0.contains("Last-Event-ID: 3\r\n") } == [false, true])
  }

  @Test func `a run that failed before anything was read ends with 1`() async throws {
    let status = CannedServer.answer(
      "200 OK", "Content-Type: application/json", body: #"{"run_id":"r","status":"failed"}"#)
    let server = CannedServer([CannedServer.answer("204 No Content"), status])
    await #expect(throws: ExitCode(1)) {
      try await RunFollower(client: client(server), json: false).follow("r", after: 9)
    }
  }

  @Test func `output that nobody reads ends the following`() async throws {
    let server = CannedServer([stream(event), stream(event)])
    await #expect(throws: Print.Failure.readerGone) {
      try await client(server).follow("r") { _ in throw Print.Failure.readerGone }
    }
    #expect(server.requests.withLock { $0.count } == 1)
  }

  @Test func `an answer may nest deeper than what was sent`() async throws {
    let nested = String(repeating: "[", count: 140) + String(repeating: "]", count: 140)
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Type: application/json", body: nested)])
    let answer = try await client(server).call(.get, "/agent/status")
    #expect(answer.array?.count == 1)
  }

  @Test func `an answer that breaks off is a server that cannot be reached`() async throws {
    let half = CannedServer.answer("200 OK", "Content-Type: application/json", "Content-Length: 100", body: "{")
    let server = CannedServer([half])
    let error = await #expect(throws: SimplonError.self) { try await client(server).call(.get, "/agent/status") }
    #expect(error?.code == .serverUnreachable)
  }

  @Test func `a download that breaks off leaves no file`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "simplon-follow-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Length: 100", body: "half")])
    let error = await #expect(throws: SimplonError.self) {
      try await client(server).download("a", to: folder.appending(path: "a").path)
    }
    #expect(error?.code == .serverUnreachable)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }
}
