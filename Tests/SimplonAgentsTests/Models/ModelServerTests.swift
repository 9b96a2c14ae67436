import SimplonCore
import Testing

@testable import SimplonAgents

/// Both dialects over a real socket, against a server that is told what to say and what to break.
@Suite(.timeLimit(.minutes(2))) struct ModelServerTests {
  /// How a reply's bytes come.
  struct Cut: Sendable, CustomTestStringConvertible {
    let dialect: ModelName.Dialect
    /// Bytes of one segment; 0: as many as there are.
    let split: Int
    let newline: String

    var testDescription: String { "\(dialect.rawValue), \(split) bytes, \(newline.debugDescription)" }

    static let all = ModelName.Dialect.allCases.flatMap { dialect in
      [0, 1, 2, 3, 7].flatMap { split in
        ["\n", "\r\n", "\r"].map { Cut(dialect: dialect, split: split, newline: $0) }
      }
    }
  }

  @Test(arguments: Cut.all) func `a reply comes whole, however its bytes are cut`(_ cut: Cut) async throws {
    let script: JSON = [
      "text": "Grüße 🙂, wie geht's?", "thinking": "Hm, ü.",
      "calls": [["name": "echo", "input": ["say": "hä"]], ["name": "echo", "input": [:]]],
      "usage": ["input": 11, "cache_read": 7, "cache_write": 5, "cache_write_hour": 3, "output": 13], "pings": 2,
      "unknown_events": true, "interleave": true, "split": .integer(cut.split), "newline": .string(cut.newline),
    ]
    try await ModelServer.with(cut.dialect, [script]) { model, _ in
      let heard = Heard()
      let reply = try await model.reply(to: .asking(tools: [.echo])) { heard.add($0) }
      #expect(reply.turn.text == "Grüße 🙂, wie geht's?")
      #expect(heard.text == reply.turn.text)
      #expect(reply.turn.calls.map(\.input) == [["say": "hä"], [:]] as [JSON?])
      #expect(Set(reply.turn.calls.map(\.id)).count == 2)
      #expect(reply.stop == .calls)
      #expect(reply.requestID?.hasPrefix("req_scripted") == true)
      var usage = TokenUsage()
      (usage.input, usage.cacheRead, usage.output) = (11, 7, 13)
      (usage.cacheWrite, usage.cacheWriteHour) = cut.dialect == .anthropic ? (5, 3) : (8, 0)
      #expect(reply.usage == usage && reply.isUsageReported)
    }
  }

  @Test(arguments: [
    "no_index", "whole_arguments", "stop_with_calls", "no_usage", "null_content", "usage_in_every_chunk",
    "empty_choices_first", "no_done", "no_call_id",
  ])
  func `servers that are nearly compatible are understood`(_ variation: String) async throws {
    let script: JSON = [
      "text": "Well", "usage": ["input": 3, "output": 4], "variations": [.string(variation)],
      "calls": [["name": "echo", "input": ["say": "one two three"]], ["name": "echo", "input": ["a": 2]]],
    ]
    try await ModelServer.with(.openai, [script]) { model, _ in
      let reply = try await model.reply(to: .asking(tools: [.echo])) { _ in }
      #expect(reply.turn.text == "Well")
      #expect(reply.turn.calls.map(\.input) == [["say": "one two three"], ["a": 2]] as [JSON?])
      #expect(reply.stop == .calls)
      #expect(reply.isUsageReported == (variation != "no_usage"))
      #expect(reply.usage.output == (variation == "no_usage" ? 0 : 4))
      if variation == "no_call_id" { #expect(reply.turn.calls.map(\.id) == ["call_0_0", "call_0_1"]) }
    }
  }

  @Test func `a server that takes no question for usage is asked without one, and from then on`() async throws {
    let refusal: JSON = ["status": 400, "message": "Unknown parameter: 'stream_options'."]
    try await ModelServer.with(.openai, [["text": "Hi", "faults": [refusal]]]) { model, requests in
      for _ in 0..<2 {
        let reply = try await model.reply(to: .asking()) { _ in }
        #expect(reply.turn.text == "Hi" && !reply.isUsageReported)
      }
      let sent = try await requests()
      #expect(sent.map { $0["status"]?.integer } == [400, 200, 200])
      #expect(sent.map { $0["body"]?["stream_options"] != nil } == [true, false, false])
    }
  }

  @Test func `a server that refuses more than the question for usage is not asked a third time`() async throws {
    let refusal: JSON = ["status": 400, "message": "stream_options, and more"]
    try await ModelServer.with(.openai, [["text": "Hi", "faults": [refusal, refusal]]]) { model, requests in
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .modelRequest)
      let reply = try await model.reply(to: .asking()) { _ in }
      #expect(reply.isUsageReported)
      let asked = try await requests().map { $0["body"]?["stream_options"] != nil }
      #expect(asked == [true, false, true])
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `a conversation is legal, its thoughts go back as they came, and its beginning stays`(
    _ dialect: ModelName.Dialect
  ) async throws {
    let first: JSON = [
      "text": "Let me see.", "thinking": "Hm, „ü“ \\ / 🙂.",
      "calls": [["name": "echo", "input": ["say": "hä"]], ["name": "echo", "input": "{broken"]],
    ]
    try await ModelServer.with(dialect, [first, ["text": "Done."]]) { model, requests in
      var request = ModelRequest.asking(tools: [.echo])
      let turn = try await model.reply(to: request) { _ in }.turn
      // Kept and read again, as between two steps of a run.
      request.messages.append(.assistant(try ModelTurn(bytes: turn.bytes)))
      let results = turn.calls.map { ToolCallResult(callID: $0.id, text: "", isError: $0.input == nil) }
      request.messages.append(.results(results))
      let reply = try await model.reply(to: request) { _ in }
      #expect(reply.turn.text == "Done." && reply.stop == .ended)
      let sent = try await requests()
      #expect(sent.map { $0["status"]?.integer } == [200, 200])
      let mark = #""cache_control":{"type":"ephemeral"},"#
      let bodies = sent.map { ($0["raw"]?.string ?? "").replacing(mark, with: "") }
      #expect(bodies[1].hasPrefix(bodies[0].dropLast(2)) && bodies[0].count > 100)
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `a model goes on with what another one began`(_ dialect: ModelName.Dialect) async throws {
    let other: ModelName.Dialect = dialect == .anthropic ? .openai : .anthropic
    let first: JSON = ["thinking": "Hm.", "calls": [["name": "echo", "input": ["say": "hä"]]]]
    var request = ModelRequest.asking(tools: [.echo])
    let turn = try await ModelServer.with(other, [first]) { [request] model, _ in
      try await model.reply(to: request) { _ in }.turn
    }
    request.messages += [
      .assistant(turn), .results(turn.calls.map { ToolCallResult(callID: $0.id, text: "42", isError: false) }),
    ]
    let text = try await ModelServer.with(dialect, [["text": "?"], ["text": "Done."]]) { [request] model, _ in
      try await model.reply(to: request) { _ in }.turn.text
    }
    #expect(text == "Done.")
  }

  @Test func `a paused turn goes back as it is, and the reply goes on`() async throws {
    try await ModelServer.with(.anthropic, [["text": "Searching", "stop": "paused"], ["text": "Found."]]) { model, _ in
      var request = ModelRequest.asking()
      let paused = try await model.reply(to: request) { _ in }
      #expect(paused.stop == .paused)
      request.messages.append(.assistant(paused.turn))
      let reply = try await model.reply(to: request) { _ in }
      #expect(reply.turn.text == "Found.")
    }
  }

  @Test(arguments: ModelName.Dialect.allCases)
  func `where nobody listens there is no model`(_ dialect: ModelName.Dialect) async throws {
    let nowhere = ModelServer(url: "http://127.0.0.1:1")
    try await ModelTransport.with { transport in
      let model = try nowhere.model(dialect, "script", transport)
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .modelUnavailable && error?.retry == .backoff)
      #expect(!(error?.cause is BrokenReply), "what was never sent is on no bill")
    }
  }

  @Test(arguments: ["", "api.example.com", "http://", "ftp://example.com"])
  func `an address that is none is a mistake of the configuration`(_ url: String) async throws {
    try await ModelTransport.with { transport in
      let model = try ModelServer(url: url).model(.anthropic, "script", transport)
      let error = await #expect(throws: SimplonError.self) { try await model.reply(to: .asking()) { _ in } }
      #expect(error?.code == .configInvalid && error?.retry == .never)
    }
  }
}
