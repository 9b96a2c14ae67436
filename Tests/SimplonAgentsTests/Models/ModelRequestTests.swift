import SimplonCore
import Testing

@testable import SimplonAgents

/// The bytes that go to the vendors.
struct ModelRequestTests {
  private static let claude = ModelName(.anthropic, "claude-test")
  private static let gpt = ModelName(.openai, "gpt-test")
  private static let thought: JSON = ["type": "thinking", "thinking": "Hm", "signature": "s"]
  private static let mark = #""cache_control":{"type":"ephemeral"},"#

  private func anthropic(_ request: ModelRequest) async throws -> String {
    let configuration = AnthropicModel.Configuration(key: try ModelKey("secret-key"))
    return try await ModelTransport.with { transport in
      let model = AnthropicModel("claude-test", configuration: configuration, transport: transport)
      return String(decoding: model.body(request), as: UTF8.self)
    }
  }

  private func openai(
    _ request: ModelRequest, url: String = "https://api.openai.com/v1"
  ) async throws -> String {
    try await ModelTransport.with { transport in
      let configuration = ChatCompletionsModel.Configuration(url: url, key: nil)
      let model = ChatCompletionsModel("gpt-test", configuration: configuration, transport: transport)
      return String(decoding: model.body(request), as: UTF8.self)
    }
  }

  private func call(_ id: String, name: String = "echo", input: JSON? = ["b": 1, "a": 2]) -> ModelTurn.Block {
    .call(ModelTurn.Call(id: id, name: name, input: input))
  }

  private func result(_ id: String, _ text: String = "42", isError: Bool = false) -> ToolCallResult {
    ToolCallResult(callID: id, text: text, isError: isError)
  }

  private func conversation(_ messages: [ModelMessage]) -> ModelRequest {
    ModelRequest(system: "Be brief.", tools: [.echo], messages: messages, maximumOutputTokens: 4096)
  }

  /// A question, a turn with a thought and a call, and its result.
  private var sample: ModelRequest {
    let turn = ModelTurn(model: Self.claude, blocks: [.opaque(Self.thought), .text("Well"), call("c1")])
    return conversation([.user("Hi"), .assistant(turn), .results([result("c1")])])
  }

  /// The messages of a body, as JSON.
  private func messages(_ body: String) throws -> [JSON] { try #require(try JSON(parsing: body)["messages"]?.array) }

  @Test func `Anthropic gets tools, instructions and transcript in this order, with four marks for the cache`()
    async throws
  {
    let expected =
      #"{"model":"claude-test","max_tokens":4096,"stream":true,"tool_choice":{"type":"auto"},"#
      + #""tools":[{"cache_control":{"type":"ephemeral"},"description":"Says it again.","#
      + #""input_schema":{"type":"object"},"name":"echo"}],"#
      + #""system":[{"cache_control":{"type":"ephemeral"},"text":"Be brief.","type":"text"}],"#
      + #""messages":[{"content":[{"cache_control":{"type":"ephemeral"},"text":"Hi","type":"text"}],"role":"user"},"#
      + #"{"content":[{"signature":"s","thinking":"Hm","type":"thinking"},{"text":"Well","type":"text"},"#
      + #"{"id":"c1","input":{"a":2,"b":1},"name":"echo","type":"tool_use"}],"role":"assistant"},"#
      + #"{"content":[{"cache_control":{"type":"ephemeral"},"content":"42","tool_use_id":"c1","#
      + #""type":"tool_result"}],"role":"user"}]}"#
    #expect(try await anthropic(sample) == expected)
  }

  @Test func `chat completions get tools and transcript in this order`() async throws {
    let expected =
      #"{"model":"gpt-test","max_completion_tokens":4096,"stream":true,"stream_options":{"include_usage":true},"#
      + #""tool_choice":"auto","tools":[{"function":{"description":"Says it again.","name":"echo","#
      + #""parameters":{"type":"object"}},"type":"function"}],"#
      + #""messages":[{"content":"Be brief.","role":"system"},{"content":"Hi","role":"user"},"#
      + #"{"content":"Well","role":"assistant","tool_calls":[{"function":{"arguments":"{\"a\":2,\"b\":1}","name":"echo"},"#
      + #""id":"c1","type":"function"}]},{"content":"42","role":"tool","tool_call_id":"c1"}]}"#
    #expect(try await openai(sample) == expected)
  }

  @Test func `a longer transcript begins with the bytes of the one before, and its last mark is marked again`()
    async throws
  {
    var transcript: [ModelMessage] = [.user("Hi")]
    var before: (anthropic: String, openai: String)?
    for turn in 0..<6 {
      let bodies = try await (anthropic: anthropic(conversation(transcript)), openai: openai(conversation(transcript)))
      #expect(bodies.anthropic.ranges(of: Self.mark).count <= 4)
      if let before {
        // What the vendor counts as the beginning has no marks in it; the body ends with `]}`.
        let bare = bodies.anthropic.replacing(Self.mark, with: "")
        #expect(bare.hasPrefix(before.anthropic.replacing(Self.mark, with: "").dropLast(2)))
        #expect(bodies.openai.hasPrefix(before.openai.dropLast(2)))
        let ended = try messages(before.anthropic)
        let again = try messages(bodies.anthropic)[ended.count - 1]
        #expect(again == ended.last)
        #expect(again["content"]?.array?.last?["cache_control"] == ["type": "ephemeral"])
      }
      before = bodies
      // More blocks in one turn than the vendor looks back for what it has cached.
      let ids = (0..<12).map { "c\(turn)_\($0)" }
      transcript += [
        .assistant(ModelTurn(model: Self.claude, blocks: [.opaque(Self.thought)] + ids.map { call($0) })),
        .results(ids.map { result($0) }),
      ]
    }
  }

  @Test func `thoughts go back to the very model that had them, and to no other`() async throws {
    for name in [ModelName(.anthropic, "claude-other"), Self.gpt] {
      let turn = ModelTurn(model: name, blocks: [.opaque(Self.thought)])
      let body = try await anthropic(conversation([.user("Hi"), .assistant(turn), .user("On")]))
      #expect(try messages(body)[1]["content"] == [["type": "text", "text": "(nothing)"]])
      #expect(try await openai(conversation([.user("Hi"), .assistant(turn), .user("On")])).contains("(nothing)"))
    }
    // A turn that ends with a thought is refused, so words follow.
    let turn = ModelTurn(model: Self.claude, blocks: [.opaque(Self.thought)])
    let body = try await anthropic(conversation([.user("Hi"), .assistant(turn), .user("On")]))
    #expect(try messages(body)[1]["content"] == [Self.thought, ["type": "text", "text": "(nothing)"]])
  }

  @Test func `results come first and together, and what a user adds follows in the same message`() async throws {
    let turn = ModelTurn(model: Self.claude, blocks: [call("c1"), .text(" \n"), call("c2", input: nil)])
    let request = conversation([
      .user(""), .assistant(turn), .results([result("c1"), result("c2", "broken", isError: true)]), .user("Hurry"),
    ])
    let sent = try messages(await anthropic(request))
    #expect(sent.map { $0["role"]?.string } == ["user", "assistant", "user"])
    #expect(sent[0]["content"]?.array?.first?["text"] == "(nothing)")
    #expect(sent[1]["content"]?.array?.map { $0["type"]?.string } == ["tool_use", "tool_use"])
    #expect(sent[1]["content"]?.array?.last?["input"] == [:])
    #expect(sent[2]["content"]?.array?.map { $0["type"]?.string } == ["tool_result", "tool_result", "text"])
    #expect(sent[2]["content"]?.array?[1]["is_error"] == true)
    let chat = try messages(await openai(request))
    #expect(chat.map { $0["role"]?.string } == ["system", "user", "assistant", "tool", "tool", "user"])
    #expect(chat[4]["content"] == "Error: broken")
  }

  @Test(arguments: ["", "functions.search:0", String(repeating: "x", count: 41), "ü", "a b"])
  func `an id or a name that a vendor would refuse is replaced by one that it takes`(_ id: String) async throws {
    let turn = ModelTurn(model: Self.gpt, blocks: [call(id, name: id), call("fine-id_1", name: "fine")])
    let request = conversation([.user("Hi"), .assistant(turn), .results([result(id), result("fine-id_1")])])
    let blocks = try messages(await anthropic(request))[1]["content"]?.array ?? []
    let results = try messages(await anthropic(request))[2]["content"]?.array ?? []
    #expect(blocks.map { $0["id"] } == results.map { $0["tool_use_id"] })
    #expect(blocks.last?["id"] == "fine-id_1")
    for text in [blocks.first?["id"]?.string, blocks.first?["name"]?.string] {
      let bytes = try #require(text).utf8
      #expect((1...64).contains(bytes.count))
      #expect(bytes.allSatisfy { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") })
    }
    #expect(try #require(blocks.first?["id"]?.string).utf8.count <= 40)
    let chat = try messages(await openai(request))
    #expect(chat[2]["tool_calls"]?.array?.first?["id"] == chat[3]["tool_call_id"])
  }

  @Test func `a model is made to call a tool, or to call none`() async throws {
    var request = ModelRequest.asking(tools: [.echo])
    request.toolChoice = .tool("echo")
    #expect(try await anthropic(request).contains(#""tool_choice":{"name":"echo","type":"tool"}"#))
    #expect(try await openai(request).contains(#""tool_choice":{"function":{"name":"echo"},"type":"function"}"#))
    request.toolChoice = .none
    #expect(try await anthropic(request).contains(#""tool_choice":{"type":"none"}"#))
    #expect(try await openai(request).contains(#""tool_choice":"none""#))
  }

  @Test func `a turn that the vendor has paused goes back last, without its thoughts`() async throws {
    let turn = ModelTurn(model: Self.claude, blocks: [.opaque(Self.thought), .text("Searching")])
    let request = conversation([.user("Hi"), .assistant(turn)])
    #expect(try messages(await anthropic(request)).last?["content"] == [["type": "text", "text": "Searching"]])
  }

  @Test func `what a request does not have is not sent`() async throws {
    let sent = try await anthropic(.asking())
    #expect(!sent.contains("tool") && !sent.contains("system") && !sent.contains("thinking"))
    #expect(try await !openai(.asking()).contains("tool"))
  }

  @Test(
    arguments: [
      ("https://api.openai.com/v1", "max_completion_tokens"),
      ("https://API.openai.com:443/v1", "max_completion_tokens"),
      ("https://me.openai.azure.com/openai/v1", "max_completion_tokens"), ("http://127.0.0.1:8080/v1", "max_tokens"),
      ("https://openai.com.example.net/v1", "max_tokens"), ("", "max_tokens"),
    ] as [(String, String)])
  func `the most tokens go by the name that the server knows`(_ url: String, _ field: String) async throws {
    #expect(try await openai(.asking(), url: url).contains("\"\(field)\":4096,"))
  }
}
