import SimplonCore

extension AnthropicModel {
  /// A message as it is sent: neighbours of the user's side are one, as the vendor would make them one.
  private struct Message {
    let isUser: Bool
    var blocks: [[String: JSON]]

    var json: JSON {
      ["role": isUser ? "user" : "assistant", "content": .array(blocks.map { .object($0) })]
    }
  }

  /// The body of a request: what stays the same within a run comes first, and the transcript last.
  ///
  /// Four places are marked for the cache: the last tool, the instructions, and the ends of the user's last two messages,
  /// so that the end which the request before has marked is marked again. (The vendor looks for what it has cached up to
  /// 20 blocks before a mark; one turn with many calls is longer.)
  package func body(_ request: ModelRequest) -> [UInt8] {
    var messages = messages(request)
    Self.removeThoughts(&messages)
    Self.mark(&messages)
    var body = OrderedBody()
    body.add("model", .string(name.model))
    body.add("max_tokens", .integer(request.maximumOutputTokens))
    body.add("stream", true)
    if !request.tools.isEmpty {
      body.add("tool_choice", Self.choice(request.toolChoice))
      body.add("tools", Self.tools(request.tools))
    }
    if !request.system.isBlank {
      body.add("system", [["type": "text", "text": .string(request.system), "cache_control": Self.cacheMark]])
    }
    body.add("messages", .array(messages.map(\.json)))
    return body.close()
  }

  private static let cacheMark: JSON = ["type": "ephemeral"]

  private static func mark(_ messages: inout [Message]) {
    let places = messages.indices.filter { messages[$0].isUser }.suffix(2)
    for place in places {
      guard let last = messages[place].blocks.indices.last else { continue }
      messages[place].blocks[last]["cache_control"] = cacheMark
    }
  }

  private static func tools(_ tools: [ModelRequest.Tool]) -> JSON {
    var items = tools.map { tool -> [String: JSON] in
      ["name": .string(tool.name), "description": .string(tool.summary), "input_schema": tool.inputSchema]
    }
    if let last = items.indices.last { items[last]["cache_control"] = cacheMark }
    return .array(items.map { .object($0) })
  }

  private static func choice(_ choice: ModelRequest.ToolChoice) -> JSON {
    switch choice {
    case .auto: ["type": "auto"]
    case .none: ["type": "none"]
    case .tool(let name): ["type": "tool", "name": .string(name)]
    }
  }

  private func messages(_ request: ModelRequest) -> [Message] {
    var messages = [Message]()
    for message in request.messages {
      switch message {
      case .user(let text): Self.add([Self.text(text)], to: &messages)
      case .results(let results): Self.add(results.map(Self.result), to: &messages)
      case .assistant(let turn): messages.append(Message(isUser: false, blocks: blocks(turn)))
      }
    }
    return messages
  }

  private static func add(_ blocks: [[String: JSON]], to messages: inout [Message]) {
    guard let last = messages.indices.last, messages[last].isUser else {
      return messages.append(Message(isUser: true, blocks: blocks))
    }
    messages[last].blocks += blocks
  }

  private static func text(_ text: String) -> [String: JSON] {
    // Blank text is refused.
    ["type": "text", "text": .string(text.isBlank ? ModelTurn.nothing : text)]
  }

  private static func result(_ result: ToolCallResult) -> [String: JSON] {
    var block: [String: JSON] = [
      "type": "tool_result", "tool_use_id": .string(ModelTurn.wireID(result.callID)), "content": .string(result.text),
    ]
    if result.isError { block["is_error"] = true }
    return block
  }

  /// A turn's blocks: never none, none blank, and no thought at the end, all of which are refused.
  private func blocks(_ turn: ModelTurn) -> [[String: JSON]] {
    var blocks = turn.blocks.compactMap { block -> [String: JSON]? in
      switch block {
      case .text(let text): text.isBlank ? nil : Self.text(text)
      case .call(let call):
        [
          "type": "tool_use", "id": .string(ModelTurn.wireID(call.id)), "name": .string(ModelTurn.wireName(call.name)),
          "input": call.input ?? .object([:]),
        ]
      case .opaque(let json): turn.model == name ? json.object : nil
      }
    }
    if blocks.last.map(Self.isThought) ?? true { blocks.append(Self.text("")) }
    return blocks
  }

  private static func isThought(_ block: [String: JSON]) -> Bool {
    ["thinking", "redacted_thinking"].contains(block["type"]?.string)
  }

  /// A model that is not told to think takes no thoughts in a turn that it is to go on with.
  private static func removeThoughts(_ messages: inout [Message]) {
    guard let last = messages.indices.last, !messages[last].isUser else { return }
    messages[last].blocks.removeAll(where: isThought)
    if messages[last].blocks.isEmpty { messages[last].blocks = [text("")] }
  }
}
