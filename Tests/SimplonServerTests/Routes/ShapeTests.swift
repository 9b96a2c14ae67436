import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonServer

@Suite struct ShapeTests {
  private let shape = Shape(
    name: "X",
    fields: [
      Field(name: "id", kind: .uuid, isRequired: true, summary: ""),
      Field(name: "count", kind: .integer(1...10), summary: ""),
      Field(name: "word", kind: .choice(["a", "b"], later: ["c"]), summary: ""),
      Field(name: "text", kind: .text(maximum: 4), summary: ""),
      Field(name: "words", kind: .texts, summary: ""),
      Field(name: "title", kind: .text(minimum: 1, maximum: 4), summary: ""),
      Field(name: "ratio", kind: .number(0...1), summary: ""),
      Field(name: "more", kind: .object(maximum: 9), summary: ""),
    ], later: ["answer"])
  private let id: JSON = "0190a5d2-7c3e-7b1a-8f00-000000000001"

  @Test func `what is there and of its kind comes through and null counts as absent`() throws {
    let given: [String: JSON] = ["id": id, "count": 10, "word": "b", "text": "éé", "words": ["x"]]
    #expect(try shape.check(given) == given)
    #expect(try shape.check(["id": id, "count": nil]) == ["id": id])
  }

  @Test func `what is there comes as the database takes it`() throws {
    let given: [String: JSON] = [
      "id": "0190A5D2-7C3E-7B1A-8F00-000000000001", "ratio": .number("1e-310"), "more": ["a": 123],
    ]
    #expect(try shape.check(given) == ["id": id, "ratio": .number("0.0"), "more": ["a": 123]])
  }

  @Test(
    arguments: [
      (["id": "x"], "request.invalid", "id"),
      ([:], "request.invalid", "id"),
      (["count": 0], "request.invalid", "count"),
      (["count": "1"], "request.invalid", "count"),
      (["count": .number("1e400")], "request.invalid", "count"),
      (["count": .number("1.5")], "request.invalid", "count"),
      (["word": "z"], "request.invalid", "word"),
      (["word": "c"], "request.not_supported", "word"),
      (["text": "ééé"], "request.too_large", "text"),
      (["words": ["x", 1]], "request.invalid", "words"),
      (["title": ""], "request.invalid", "title"),
      (["ratio": .number("1.5")], "request.invalid", "ratio"),
      (["more": ["a": 1234]], "request.too_large", "more"),
      (["answer": "yes"], "request.not_supported", "answer"),
      (["colour": "red"], "request.unknown_field", "colour"),
    ] as [([String: JSON], String, String)])
  func `what is wrong is refused by its name`(_ wrong: [String: JSON], _ code: String, _ name: String) throws {
    let given = wrong.isEmpty ? wrong : ["id": id].merging(wrong) { _, new in new }
    let error = #expect(throws: SimplonError.self) { try shape.check(given) }
    #expect(error?.code.rawValue == code)
    #expect(error?.message.contains("\"\(name)\"") == true)
  }

  @Test func `the choice between forms decides, and its refusal names every word`() throws {
    let route = Route(
      path: "/x", name: "x", tag: "x", summary: "x",
      shapes: [
        Shape(name: "A", fields: [Field(name: "action", kind: .choice(["make"]), isRequired: true, summary: "")]),
        Shape(
          name: "B",
          fields: [Field(name: "action", kind: .choice(["stop"], later: ["fork"]), isRequired: true, summary: "")]),
      ], answers: [], handler: .open { _ in .json([:]) })
    #expect(try route.shape(of: ["action": "make"]).name == "A")
    #expect(try route.shape(of: ["action": "stop"]).name == "B")
    let error = #expect(throws: SimplonError.self) { try route.shape(of: ["action": "dance", "else": 1]) }
    #expect(error?.message == "\"action\" must be one of make, stop")
    let later = #expect(throws: SimplonError.self) { try route.shape(of: ["action": "fork"]) }
    #expect(later?.code == .requestNotSupported)
  }
}
