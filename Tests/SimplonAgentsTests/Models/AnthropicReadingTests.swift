import SimplonCore
import Testing

@testable import SimplonAgents

/// Transcripts of Anthropic's streams, with no socket.
struct AnthropicReadingTests {
  private static let model = ModelName(.anthropic, "claude-test")

  /// A reply with everything in it; two calls come in turns.
  private static let transcript = [
    #"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":11,"cache_read_input_tokens":7,"cache_creation_input_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":3},"output_tokens":1}}}"#,
    #"{"type":"ping"}"#,
    #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm, "}}"#,
    #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"ü."}}"#,
    #"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln+/=="}}"#,
    #"{"type":"content_block_stop","index":0}"#,
    #"{"type":"novelty_noted","novelty":{"index":0}}"#,
    #"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
    #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Grü"},"new":1}"#,
    #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"ße 🙂"}}"#,
    #"{"type":"content_block_stop","index":1}"#,
    #"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"echo","input":{}}}"#,
    #"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"look","input":{}}}"#,
    #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    #"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"say\":\"h"}}"#,
    #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"ä\",\"n\":1.50}"}}"#,
    #"{"type":"content_block_stop","index":3}"#,
    #"{"type":"content_block_stop","index":2}"#,
    #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":13}}"#,
    #"{"type":"message_stop"}"#,
  ]

  /// Feeds events; each is named as its data is.
  private func read(
    _ events: [String], named: Bool = true, after messages: [ModelMessage] = [], heard: Heard = Heard()
  ) throws -> ModelReply {
    var reading = AnthropicModel.Reading(model: Self.model, after: messages, hiding: nil) { heard.add($0) }
    for event in events {
      let kind = try JSON(parsing: event)["type"]?.string ?? ""
      _ = try reading.take(StreamedEvent(kind: named ? kind : "message", data: event))
    }
    return try reading.reply(requestID: "req_1")
  }

  /// A reply of one block.
  private func block(_ start: String, _ deltas: String...) throws -> [ModelTurn.Block] {
    try read(
      [#"{"type":"content_block_start","index":0,"content_block":\#(start)}"#]
        + deltas.map { #"{"type":"content_block_delta","index":0,"delta":\#($0)}"# }
        + [#"{"type":"content_block_stop","index":0}"#, #"{"type":"message_stop"}"#]
    ).turn.blocks
  }

  @Test func `a call gets an id that no other call of the transcript has`() throws {
    let before = ModelTurn(
      model: Self.model, blocks: [.call(ModelTurn.Call(id: "a", name: "echo", input: [:]))])
    let starts = ["a", "b", "b", "call_1_0"].enumerated().map { index, id in
      #"{"type":"content_block_start","index":\#(index),"content_block":{"type":"tool_use","id":"\#(id)","name":"echo","input":{}}}"#
    }
    let reply = try read(starts + [#"{"type":"message_stop"}"#], after: [.user("x"), .assistant(before)])
    #expect(reply.turn.calls.map(\.id) == ["call_1_0", "b", "call_1_2", "call_1_3"])
  }

  @Test(arguments: [true, false])
  func `a reply is put together, and people hear its text alone`(_ named: Bool) throws {
    let heard = Heard()
    let reply = try read(Self.transcript, named: named, heard: heard)
    #expect(
      reply.turn.blocks == [
        .opaque(["type": "thinking", "thinking": "Hm, ü.", "signature": "c2ln+/=="]), .text("Grüße 🙂"),
        .call(ModelTurn.Call(id: "toolu_1", name: "echo", input: ["say": "hä", "n": .number("1.50")])),
        .call(ModelTurn.Call(id: "toolu_2", name: "look", input: [:])),
      ])
    #expect(heard.text == "Grüße 🙂")
    #expect(reply.stop == .calls)
    #expect(reply.requestID == "req_1")
    #expect(reply.turn.model == Self.model)
  }

  @Test func `no token counts twice, and what counts from the beginning replaces`() throws {
    let reply = try read(Self.transcript)
    var usage = TokenUsage()
    (usage.input, usage.cacheRead, usage.cacheWrite, usage.cacheWriteHour, usage.output) = (11, 7, 5, 3, 13)
    #expect(reply.usage == usage)
    #expect(reply.usage.allInput == 26)
    #expect(reply.isUsageReported)
    #expect(try !read([#"{"type":"message_stop"}"#]).isUsageReported)
  }

  @Test func `numbers that cannot be are held within bounds`() throws {
    let usage = try read([
      #"{"type":"message_start","message":{"usage":{"input_tokens":-5,"cache_read_input_tokens":9223372036854775807,"cache_creation_input_tokens":99999999999999999999,"output_tokens":"many"}}}"#,
      #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9223372036854775807,"input_tokens":null}}"#,
    ]).usage
    #expect(usage.input == 0)
    #expect(usage.allInput == 1_000_000_000)
    #expect(usage.output == 1_000_000_000)
  }

  @Test(
    arguments: [
      ("end_turn", ModelReply.Stop.ended), ("stop_sequence", .ended), ("max_tokens", .maximumTokens),
      ("pause_turn", .paused), ("refusal", .refused), ("model_context_window_exceeded", .contextFull), ("new", .ended),
      ("tool_use", .ended),
    ] as [(String, ModelReply.Stop)])
  func `each reason to stop has a name of ours`(_ reason: String, _ stop: ModelReply.Stop) throws {
    let reply = try read([#"{"type":"message_delta","delta":{"stop_reason":"\#(reason)"}}"#])
    #expect(reply.stop == stop)
  }

  @Test func `a stream that ends before the reason to stop is no reply, at whichever event`() throws {
    let reason = try #require(Self.transcript.firstIndex { $0.contains("message_delta") })
    for count in 0..<Self.transcript.count {
      let events = Array(Self.transcript.prefix(count))
      guard count <= reason else {
        #expect(try read(events).stop == .calls)
        continue
      }
      let error = #expect(throws: SimplonError.self) { try read(events) }
      #expect(error?.code == .modelUnavailable && error?.retry == .backoff)
    }
  }

  @Test(
    arguments: [
      ("overloaded_error", SimplonError.Code.modelOverloaded, SimplonError.Retry.backoff),
      ("api_error", .modelUnavailable, .backoff), ("rate_limit_error", .modelRateLimited, .backoff),
      ("timeout_error", .modelTimeout, .backoff), ("invalid_request_error", .modelRequest, .never),
      ("authentication_error", .modelAuth, .never), ("billing_error", .modelSpendLimit, .never),
      ("novel_error", .modelUnavailable, .backoff),
    ] as [(String, SimplonError.Code, SimplonError.Retry)])
  func `an error in the midst is known by its type`(
    _ type: String, _ code: SimplonError.Code, _ retry: SimplonError.Retry
  ) throws {
    let event = #"{"type":"error","error":{"type":"\#(type)","message":"Sorry\u0007"},"request_id":"req_9"}"#
    let error = #expect(throws: SimplonError.self) { try read(Self.transcript.prefix(9) + [event]) }
    #expect(error?.code == code)
    #expect(error?.retry == retry)
    #expect(error?.details?["request_id"] == "req_9")
    #expect(error?.message.contains("\u{7}") == false)
  }

  @Test(arguments: [
    #"{"type":"content_block_start","content_block":{"type":"text"}}"#,
    #"{"type":"content_block_start","index":0,"content_block":{}}"#,
    #"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"echo"}}"#,
    #"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"","name":"echo"}}"#,
    #"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a"}}"#,
    #"{"type":"content_block_delta","index":5,"delta":{"type":"text_delta","text":"x"}}"#,
    #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#,
  ])
  func `an event that has no place is an error`(_ event: String) throws {
    let error = #expect(throws: SimplonError.self) { try read([event]) }
    #expect(error?.code == .modelProtocol)
  }

  @Test func `what is no JSON is an error, unless nobody would have read it`() throws {
    var reading = AnthropicModel.Reading(model: Self.model, after: [], hiding: nil) { _ in }
    for kind in ["ping", "novelty_noted", "content_block_stop"] {
      let progress = try reading.take(StreamedEvent(kind: kind, data: "{garbage"))
      #expect(progress == .open)
    }
    for kind in ["message_start", "content_block_delta", "error", "message"] {
      let error = #expect(throws: SimplonError.self) {
        try reading.take(StreamedEvent(kind: kind, data: "{garbage"))
      }
      #expect(error?.code == .modelProtocol)
    }
  }

  @Test func `what only the vendor can read is kept as it came, or not at all`() throws {
    let redacted = #"{"data":"EmwK+/8=","type":"redacted_thinking"}"#
    #expect(try block(redacted) == [.opaque(JSON(parsing: redacted))])
    let search = try block(
      #"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
      #"{"type":"input_json_delta","partial_json":"{\"query\":"}"#,
      #"{"type":"input_json_delta","partial_json":"\"x\"}"}"#)
    #expect(
      search == [
        .opaque(["type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": ["query": "x"]])
      ])
    // A piece that has no place, and a thought that was never signed.
    #expect(try block(#"{"type":"novelty"}"#, #"{"type":"novelty_delta","novelty":"x"}"#) == [])
    #expect(
      try block(
        #"{"type":"thinking","thinking":"","signature":""}"#, #"{"type":"thinking_delta","thinking":"Hm"}"#) == [])
  }

  @Test(
    arguments: [
      ("[]", nil), (#"{\"a\":"#, nil), (#"{\"a\":1}"#, ["a": 1]), (" ", [:]), (#"{\"a\":1,\"a\":2}"#, nil),
    ] as [(String, JSON?)])
  func `an input that is no object is told from one that is`(_ piece: String, _ input: JSON?) throws {
    let blocks = try block(
      #"{"type":"tool_use","id":"toolu_1","name":"echo","input":{}}"#,
      #"{"type":"input_json_delta","partial_json":"\#(piece)"}"#)
    #expect(blocks == [.call(ModelTurn.Call(id: "toolu_1", name: "echo", input: input))])
  }
}
