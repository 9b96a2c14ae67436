import SimplonCore
import Testing

@testable import SimplonAgents

struct ModelTurnStorageTests {
  private let turn = ModelTurn(
    model: ModelName(.anthropic, "claude/test"),
    blocks: [
      .opaque([
        "type": "thinking", "thinking": "Hm\u{301} \"ü\"\n🙂\u{2028}", "signature": "c2ln+/==", "n": .number("1.0"),
      ]),
      .text("e\u{301} is not é"), .call(ModelTurn.Call(id: "c1", name: "echo", input: ["b": [1, nil], "a": "x"])),
      .call(ModelTurn.Call(id: "c2", name: "echo", input: nil)), .text(""),
    ])

  @Test func `a turn comes back as it was, byte by byte`() throws {
    let read = try ModelTurn(bytes: turn.bytes)
    #expect(read == turn)
    #expect(read.bytes == turn.bytes)
    // Strings are equal when Unicode holds them to be; a vendor compares bytes.
    for (one, other) in zip(read.blocks, turn.blocks) {
      guard case .opaque(let one) = one, case .opaque(let other) = other else { continue }
      #expect(one.utf8 == other.utf8)
    }
    #expect(Array(read.text.utf8) == Array(turn.text.utf8))
  }

  @Test func `the form is pinned, as turns are kept for years`() throws {
    let turn = ModelTurn(
      model: ModelName(.openai, "gpt"),
      blocks: [
        .text("Hi"), .opaque(["type": "x"]), .call(ModelTurn.Call(id: "c1", name: "echo", input: [:])),
        .call(ModelTurn.Call(id: "c2", name: "echo", input: nil)),
      ])
    let text =
      #"{"blocks":[{"text":"Hi","type":"text"},{"json":{"type":"x"},"type":"opaque"},"#
      + #"{"id":"c1","input":{},"name":"echo","type":"call"},{"id":"c2","input":null,"name":"echo","type":"call"}],"#
      + #""model":"openai/gpt","v":1}"#
    #expect(String(decoding: turn.bytes, as: UTF8.self) == text)
    #expect(try ModelTurn(bytes: text.utf8) == turn)
    let empty = ModelTurn(model: turn.model, blocks: [])
    #expect(try ModelTurn(bytes: empty.bytes) == empty)
  }

  @Test func `what a vendor's event may nest can be kept`() throws {
    var json: JSON = "deep"
    for _ in 0..<126 { json = ["a": json] }
    let deep = ModelTurn(model: turn.model, blocks: [.opaque(["type": "x", "json": json])])
    #expect(try ModelTurn(bytes: deep.bytes) == deep)
  }

  @Test(arguments: [
    "", "{", "7", "{}", #"{"v":2,"model":"openai/gpt","blocks":[]}"#, #"{"model":"openai/gpt","blocks":[]}"#,
    #"{"v":1,"model":"gpt","blocks":[]}"#, #"{"v":1,"model":"openai/gpt","blocks":{}}"#,
    #"{"v":1,"model":"openai/gpt","blocks":[7]}"#, #"{"v":1,"model":"openai/gpt","blocks":[{"type":"image"}]}"#,
    #"{"v":1,"model":"openai/gpt","blocks":[{"type":"text"}]}"#,
    #"{"v":1,"model":"openai/gpt","blocks":[{"type":"call","id":"a"}]}"#,
    #"{"v":1,"model":"openai/gpt","blocks":[{"type":"text","text":"","more":1}]}"#,
    #"{"v":1,"model":"openai/gpt","blocks":[],"more":1}"#,
  ])
  func `what is no turn is refused`(_ text: String) throws {
    let error = #expect(throws: SimplonError.self) { try ModelTurn(bytes: text.utf8) }
    #expect(error?.code == .databaseDecoding)
  }
}
