import SimplonCore
import TestSupport
import Testing

@testable import SimplonAgents

/// What goes wrong on the way to a model and back, over a real socket.
@Suite(.timeLimit(.minutes(2))) struct ModelFaultTests {
  /// A fault of the server's, and what it must become.
  struct Fault: Sendable, CustomTestStringConvertible {
    let dialect: ModelName.Dialect
    let fault: JSON
    let code: SimplonError.Code
    let retry: SimplonError.Retry

    var testDescription: String { "\(dialect.rawValue): \(fault.text)" }

    /// The same in both dialects; 300 bytes are more than the first event and less than the second last.
    private static let common: [(fault: JSON, code: SimplonError.Code, retry: SimplonError.Retry)] = [
      (["status": 400], .modelRequest, .never), (["status": 401], .modelAuth, .never),
      (["status": 413], .modelContextFull, .never), (["status": 429], .modelRateLimited, .backoff),
      (["status": 429, "retry_after": "7"], .modelRateLimited, .after(.seconds(7))),
      (["status": 429, "retry_after_ms": "20"], .modelRateLimited, .after(.milliseconds(20))),
      (["status": 500], .modelUnavailable, .backoff),
      (["status": 500, "should_retry": "false"], .modelUnavailable, .never),
      (["status": 502, "body": "<html>Bad gateway</html>"], .modelUnavailable, .backoff),
      (["status": 529], .modelOverloaded, .backoff),
      (["error_event": "overloaded_error", "after_bytes": 0], .modelOverloaded, .backoff),
      (["error_event": "overloaded_error", "after_bytes": 300], .modelOverloaded, .backoff),
      (["garbage": "{garbage", "after_bytes": 0], .modelProtocol, .backoff),
      (["garbage": "{garbage", "after_bytes": 300], .modelProtocol, .backoff),
      (["reset_after": 0], .modelUnavailable, .backoff), (["reset_after": 300], .modelUnavailable, .backoff),
      (["close_after": 0], .modelUnavailable, .backoff), (["close_after": 300], .modelUnavailable, .backoff),
      (["stall_s": 60, "after_bytes": 0], .modelTimeout, .backoff),
      (["stall_s": 60, "after_bytes": 300], .modelTimeout, .backoff),
    ]

    static let all =
      ModelName.Dialect.allCases.flatMap { dialect in
        common.map { Fault(dialect: dialect, fault: $0.fault, code: $0.code, retry: $0.retry) }
      } + [
        Fault(
          dialect: .anthropic, fault: ["status": 429, "error_code": "enforced_spend_limit_reached"],
          code: .modelSpendLimit, retry: .never),
        Fault(
          dialect: .openai, fault: ["status": 429, "error_code": "insufficient_quota"], code: .modelSpendLimit,
          retry: .never),
      ]
  }

  private static let text = String(repeating: "Und so weiter. ", count: 40)

  @Test(arguments: Fault.all) func `a fault has its code, and the same request succeeds after it`(_ fault: Fault)
    async throws
  {
    var limits = ModelTransport.Limits()
    limits.stall = fault.code == .modelTimeout ? .milliseconds(300) : .seconds(30)
    let script: JSON = ["text": .string(Self.text), "faults": [fault.fault]]
    try await ModelServer.with(fault.dialect, [script], limits: limits) { model, _ in
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == fault.code)
      #expect(error?.retry == fault.retry)
      // The script's name is the key.
      #expect(error?.debugDescription.contains("script-") == false)
      let reply = try await model.reply(to: .asking()) { _ in }
      #expect(reply.turn.text == Self.text)
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `a flood of pings holds a call no longer than its deadline`(_ dialect: ModelName.Dialect) async throws {
    var limits = ModelTransport.Limits()
    limits.deadline = .milliseconds(400)
    let reply: JSON = ["text": .string(Self.text), "pings": 20, "delay_between_ms": 50]
    try await ModelServer.with(dialect, [reply], limits: limits) { model, _ in
      let begun = ContinuousClock.now
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .modelTimeout && error?.retry == .backoff)
      #expect(ContinuousClock.now - begun < .seconds(3))
    }
  }

  @Test(arguments: ModelName.Dialect.allCases, [0, 300])
  func `a call that is cancelled closes its connection, and says nothing about the model`(
    _ dialect: ModelName.Dialect, _ bytes: Int
  ) async throws {
    let stall: JSON = ["stall_s": 60, "after_bytes": .integer(bytes)]
    try await ModelServer.with(dialect, [["text": .string(Self.text), "faults": [stall]]]) { model, requests in
      let call = Task { try await model.reply(to: .asking()) { _ in } }
      while try await requests().isEmpty { try await Task.sleep(for: .milliseconds(10)) }
      call.cancel()
      let error = await #expect(throws: SimplonError.self) { try await call.value }
      #expect(error?.code == .runInterrupted && error?.retry == .never)
      while try await requests()[0]["ended"]?.string != "hung up" { try await Task.sleep(for: .milliseconds(10)) }
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `calls beside each other do not wait for each other`(_ dialect: ModelName.Dialect) async throws {
    // More than the 8 connections that a pool has by default.
    try await ModelServer.with(dialect, [["text": "Hi", "delay_ms": 1000]]) { model, _ in
      let begun = ContinuousClock.now
      try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<32 { group.addTask { try await model.reply(to: .asking()) { _ in }.turn.text } }
        for try await text in group { #expect(text == "Hi") }
      }
      #expect(ContinuousClock.now - begun < .milliseconds(3500))
    }
  }

  @Test(arguments: [("application/json", #"{"choices": []}"#, true), ("text/html", "<p>Welcome</p>", false)])
  func `what answers with something else than a stream may be a model, but for a page`(
    _ type: String, _ body: String, _ isModel: Bool
  ) async throws {
    let server = CannedServer([CannedServer.answer("200 OK", "Content-Type: \(type)", body: body)])
    try await ModelTransport.with { transport in
      let configuration = ChatCompletionsModel.Configuration(url: server.url("127.0.0.1", "/v1"), key: nil)
      let model = ChatCompletionsModel("gpt-test", configuration: configuration, transport: transport)
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .modelProtocol && (error?.cause is BrokenReply) == isModel)
    }
  }

  @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Ty", "SSH-2.0-OpenSSH_9.2\r\n\r\n"])
  func `a request that is answered with no HTTP may be on the bill`(_ answer: String) async throws {
    let server = CannedServer([answer])
    try await ModelTransport.with { transport in
      let configuration = ChatCompletionsModel.Configuration(url: server.url("127.0.0.1", "/v1"), key: nil)
      let model = ChatCompletionsModel("gpt-test", configuration: configuration, transport: transport)
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .modelUnavailable && error?.cause is BrokenReply)
    }
  }

  @Test func `calls that are under way when the transport ends are told so`() async throws {
    let server = try await ModelServer.shared.value
    let script = try await server.script([["text": "Hi", "delay_ms": 60_000]])
    try await ModelTransport.with { transport in
      let model = try server.model(.anthropic, script, transport)
      let call = Task { try await model.reply(to: .asking()) { _ in } }
      while try await server.requests(script).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
      await transport.shutdown()
      let error = await #expect(throws: SimplonError.self) { try await call.value }
      #expect(error?.code == .serverShutdown)
      let late = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(late?.code == .serverShutdown)
    }
  }
}
