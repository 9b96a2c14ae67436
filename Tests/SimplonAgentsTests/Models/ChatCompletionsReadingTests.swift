import SimplonCore
import Testing

@testable import SimplonAgents

/// Transcripts of chat completions, as OpenAI and as servers that are compatible with it send them.
struct ChatCompletionsReadingTests {
  private static let model = ModelName(.openai, "gpt-test")
  private static let end = #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
  private static let done = "[DONE]"

  private func read(
    _ chunks: [String], after messages: [ModelMessage] = [], heard: Heard = Heard()
  ) throws -> ModelReply {
    var reading = ChatCompletionsModel.Reading(model: Self.model, after: messages, hiding: nil) { heard.add($0) }
    for chunk in chunks { _ = try reading.take(StreamedEvent(data: chunk)) }
    return try reading.reply(requestID: "req_1")
  }

  private func chunk(_ delta: String) -> String { #"{"choices":[{"index":0,"delta":\#(delta),"finish_reason":null}]}"# }

  /// The calls out of pieces, each an item of `tool_calls`.
  private func calls(_ pieces: [String], after messages: [ModelMessage] = []) throws -> [ModelTurn.Call] {
    try read(pieces.map { chunk(#"{"tool_calls":[\#($0)]}"#) } + [Self.end, Self.done], after: messages).turn.calls
  }

  private let two = [
    ModelTurn.Call(id: "a", name: "echo", input: ["say": "hä"]), ModelTurn.Call(id: "b", name: "look", input: [:]),
  ]

  @Test func `text comes in pieces, and usage in a last chunk without choices`() throws {
    let heard = Heard()
    let reply = try read(
      [
        #"{"choices":[],"prompt_filter_results":[]}"#, chunk(#"{"role":"assistant","content":"","refusal":null}"#),
        chunk(#"{"content":"Grü"}"#), chunk(#"{"content":null}"#), chunk(#"{"content":[{"type":"text","text":"ße"}]}"#),
        #"{"choices":[{"index":1,"delta":{"content":"another"}}],"usage":null}"#, Self.end,
        #"{"choices":[],"usage":{"prompt_tokens":26,"completion_tokens":13,"prompt_tokens_details":{"cached_tokens":7,"cache_write_tokens":8}}}"#,
        Self.done,
      ], heard: heard)
    #expect(reply.turn.blocks == [.text("Grüße")])
    #expect(heard.text == "Grüße")
    #expect(reply.stop == .ended)
    #expect(reply.isUsageReported)
    var usage = TokenUsage()
    (usage.input, usage.cacheRead, usage.cacheWrite, usage.output) = (11, 7, 8, 13)
    #expect(reply.usage == usage)
  }

  @Test func `usage in every chunk counts once, and cached tokens beyond the prompt make nothing negative`() throws {
    let counted = (1...3).map {
      #"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":\#($0),"prompt_tokens_details":{"cached_tokens":9223372036854775807}}}"#
    }
    let usage = try read(counted + [Self.end, Self.done]).usage
    #expect(usage.input == 0 && usage.cacheRead == 1_000_000_000 && usage.output == 3)
  }

  @Test func `usage that is missing is said to be missing`() throws {
    let reply = try read([chunk(#"{"content":"x"}"#), Self.end, Self.done])
    #expect(!reply.isUsageReported)
    #expect(reply.usage == TokenUsage())
  }

  @Test(arguments: [
    // As OpenAI sends them, in turns.
    [
      #"{"index":0,"id":"a","type":"function","function":{"name":"echo","arguments":""}}"#,
      #"{"index":1,"id":"b","type":"function","function":{"name":"look","arguments":""}}"#,
      #"{"index":0,"function":{"arguments":"{\"say\":"}}"#, #"{"index":1,"function":{"arguments":"{}"}}"#,
      #"{"index":0,"function":{"arguments":"\"hä\"}"}}"#,
    ],
    // Whole.
    [
      #"{"index":0,"id":"a","function":{"name":"echo","arguments":"{\"say\":\"hä\"}"}}"#,
      #"{"index":1,"id":"b","function":{"name":"look","arguments":"{}"}}"#,
    ],
    // All of them are number 0.
    [
      #"{"index":0,"id":"a","function":{"name":"echo","arguments":"{\"say\":"}}"#,
      #"{"index":0,"function":{"arguments":"\"hä\"}"}}"#,
      #"{"index":0,"id":"b","function":{"name":"look","arguments":""}}"#,
    ],
    // No numbers; the pieces belong to the last call.
    [
      #"{"id":"a","function":{"name":"echo","arguments":"{\"say\""}}"#, #"{"function":{"arguments":":\"hä\"}"}}"#,
      #"{"id":"b","function":{"name":"look"}}"#, #"{"function":{"arguments":"{}"}}"#,
    ],
    // No numbers, and the id and the name with each piece.
    [
      #"{"id":"a","function":{"name":"echo","arguments":"{\"say\""}}"#, #"{"id":"b","function":{"name":"look"}}"#,
      #"{"id":"a","function":{"name":"echo","arguments":":\"hä\"}"}}"#,
    ],
    // Numbers, and the id with each piece; arguments that are an object.
    [
      #"{"index":3,"id":"a","function":{"name":"echo","arguments":null}}"#,
      #"{"index":3,"id":"a","function":{"name":null,"arguments":{"say":"hä"}}}"#,
      #"{"index":7,"id":"b","function":{"name":"look","arguments":" "}}"#,
    ],
  ])
  func `calls are put together, however a server marks their pieces`(_ pieces: [String]) throws {
    #expect(try calls(pieces) == two)
  }

  @Test func `a call without an id gets one by its place in the run, and no id is there twice`() throws {
    let whole = [
      #"{"function":{"name":"echo","arguments":"{}"}}"#, #"{"function":{"name":"echo","arguments":"{}"}}"#,
      #"{"id":"call_1_0","function":{"name":"echo","arguments":"{}"}}"#,
      #"{"id":"old","function":{"name":"echo","arguments":"{}"}}"#,
    ]
    let turn = ModelTurn(model: Self.model, blocks: [.call(ModelTurn.Call(id: "old", name: "echo", input: [:]))])
    let before: [ModelMessage] = [.user("Hi"), .assistant(turn)]
    let ids = try calls(whole, after: before).map(\.id)
    #expect(ids == ["call_1_0", "call_1_1", "call_1_2", "call_1_3"])
    #expect(try calls(whole, after: before).map(\.id) == ids)
  }

  @Test(arguments: ["[]", "{", "\\\"{}\\\"", "{} {}"])
  func `arguments that are no object are told from an empty one`(_ text: String) throws {
    let call = try calls([#"{"id":"a","function":{"name":"echo","arguments":"\#(text)"}}"#]).first
    #expect(call == ModelTurn.Call(id: "a", name: "echo", input: nil))
  }

  @Test(
    arguments: [
      ("stop", ModelReply.Stop.ended), ("length", .maximumTokens), ("content_filter", .refused), ("tool_calls", .ended),
      ("eos", .ended),
    ] as [(String, ModelReply.Stop)])
  func `each reason to stop has a name of ours`(_ reason: String, _ stop: ModelReply.Stop) throws {
    let reply = try read([#"{"choices":[{"delta":{},"finish_reason":"\#(reason)"}]}"#])
    #expect(reply.stop == stop)
  }

  @Test func `calls are waited for, even when the server says that it has ended`() throws {
    let call = chunk(#"{"tool_calls":[{"id":"a","function":{"name":"echo","arguments":"{}"}}]}"#)
    #expect(try read([call, Self.end, Self.done]).stop == .calls)
  }

  @Test func `a refusal is text and a reason`() throws {
    let reply = try read([chunk(#"{"refusal":"I will"}"#), chunk(#"{"refusal":" not."}"#), Self.end])
    #expect(reply.stop == .refused)
    #expect(reply.turn.text == "I will not.")
  }

  @Test func `either the reason to stop or the mark of the end makes a reply`() throws {
    let text = chunk(#"{"content":"x"}"#)
    #expect(try read([text, Self.end]).turn.text == "x")
    #expect(try read([text, Self.done]).stop == .ended)
    let error = #expect(throws: SimplonError.self) { try read([text]) }
    #expect(error?.code == .modelUnavailable && error?.retry == .backoff)
  }

  @Test(
    arguments: [
      (#"{"error":{"message":"Sorry","type":"server_error","code":null}}"#, SimplonError.Code.modelUnavailable),
      (#"{"error":{"message":"Sorry","type":"overloaded_error"}}"#, .modelOverloaded),
      (#"{"error":{"message":"Sorry","code":429},"choices":[{"finish_reason":"error"}]}"#, .modelRateLimited),
      (#"{"error":{"message":"maximum context length is 8192","code":400}}"#, .modelContextFull),
      (#"{"error":"Sorry"}"#, .modelUnavailable),
    ] as [(String, SimplonError.Code)])
  func `an error in the midst is known by its type or its number`(_ event: String, _ code: SimplonError.Code) throws {
    let error = #expect(throws: SimplonError.self) { try read([chunk(#"{"content":"x"}"#), event]) }
    #expect(error?.code == code)
    #expect(error?.message.contains("Sorry") == true || code == .modelContextFull)
  }

  @Test(arguments: ["{garbage", "data", #"{"choices":["#])
  func `a chunk that is no JSON is an error`(_ chunk: String) throws {
    let error = #expect(throws: SimplonError.self) { try read([chunk]) }
    #expect(error?.code == .modelProtocol)
  }

  @Test(arguments: [
    "", " ", "null", "[]", "7", #"{"choices":{}}"#, #"{"choices":[null,7,{"delta":7}]}"#,
    #"{"choices":[{"index":0,"delta":{"content":{},"tool_calls":[null,{"index":-9223372036854775808},{"index":1e9}]}}]}"#,
  ])
  func `what has another form than it should ends nothing`(_ chunk: String) throws {
    #expect(try read([chunk, Self.end, Self.done]).turn.blocks == [])
  }

  @Test func `a reply with calls without end is an error`() throws {
    let pieces = (0..<300).map { #"{"index":\#($0),"id":"c\#($0)","function":{"name":"echo"}}"# }
    let error = #expect(throws: SimplonError.self) { try calls(pieces) }
    #expect(error?.code == .modelProtocol)
  }
}
