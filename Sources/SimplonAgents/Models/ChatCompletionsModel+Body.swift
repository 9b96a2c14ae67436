import SimplonCore

extension ChatCompletionsModel {
  /// The body of a request that asks for the usage in the stream.
  package func body(_ request: ModelRequest) -> [UInt8] { body(request, asksForUsage: true) }

  /// The body of a request: what stays the same within a run comes first, and the transcript last.
  ///
  /// Servers of this dialect find by themselves what they have in their caches, by the beginning of tools and messages.
  func body(_ request: ModelRequest, asksForUsage: Bool) -> [UInt8] {
    var body = OrderedBody()
    body.add("model", .string(name.model))
    body.add(configuration.limitField.rawValue, .integer(request.maximumOutputTokens))
    body.add("stream", true)
    if asksForUsage { body.add("stream_options", ["include_usage": true]) }
    if !request.tools.isEmpty {
      body.add("tool_choice", Self.choice(request.toolChoice))
      body.add("tools", .array(request.tools.map(Self.tool)))
    }
    var messages = [JSON]()
    if !request.system.isBlank { messages.append(["role": "system", "content": .string(request.system)]) }
    for message in request.messages {
      switch message {
      case .user(let text): messages.append(["role": "user", "content": .string(text)])
      case .assistant(let turn): messages.append(Self.message(turn))
      case .results(let results): messages += results.map(Self.result)
      }
    }
    body.add("messages", .array(messages))
    return body.close()
  }

  private static func choice(_ choice: ModelRequest.ToolChoice) -> JSON {
    switch choice {
    case .auto: "auto"
    case .none: "none"
    case .tool(let name): ["type": "function", "function": ["name": .string(name)]]
    }
  }

  private static func tool(_ tool: ModelRequest.Tool) -> JSON {
    let function: JSON = [
      "name": .string(tool.name), "description": .string(tool.summary), "parameters": tool.inputSchema,
    ]
    return ["type": "function", "function": function]
  }

  /// A turn without its opaque blocks: this dialect has no place for them.
  private static func message(_ turn: ModelTurn) -> JSON {
    let text = turn.text
    let calls = turn.calls.map { call -> JSON in
      let function: JSON = [
        "name": .string(ModelTurn.wireName(call.name)), "arguments": .string((call.input ?? .object([:])).text),
      ]
      return ["id": .string(ModelTurn.wireID(call.id)), "type": "function", "function": function]
    }
    var members: [String: JSON] = ["role": "assistant"]
    if calls.isEmpty {
      members["content"] = .string(text.isEmpty ? ModelTurn.nothing : text)
    } else {
      members["content"] = text.isEmpty ? .null : .string(text)
      members["tool_calls"] = .array(calls)
    }
    return .object(members)
  }

  /// A result; the dialect has no field that says that a call failed, so the text does.
  private static func result(_ result: ToolCallResult) -> JSON {
    [
      "role": "tool", "tool_call_id": .string(ModelTurn.wireID(result.callID)),
      "content": .string(result.isError ? "Error: \(result.text)" : result.text),
    ]
  }
}
