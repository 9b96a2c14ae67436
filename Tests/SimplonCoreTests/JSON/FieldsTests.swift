import SimplonCore
import Testing

struct FieldsTests {
  @Test func `fields are taken by type and the rest is refused by name`() throws {
    var fields = try Fields(["a": "x", "b": true, "n": 3, "list": ["p", "q"], "wait": "2m", "more": 1], "body")
    #expect(try fields.string("a") == "x")
    #expect(try fields.bool("b") == true)
    #expect(try fields.integer("n", in: 1...5) == 3)
    #expect(try fields.strings("list") == ["p", "q"])
    #expect(try fields.duration("wait", in: .zero ... .seconds(600)) == .seconds(120))
    #expect(try fields.string("absent") == nil)
    let error = #expect(throws: SimplonError.self) { try fields.finish() }
    #expect(error?.code == .requestUnknownField)
    #expect(error?.details == ["fields": ["more"]])
  }

  @Test func `null counts as absent`() throws {
    var fields = try Fields(["a": nil], "body")
    #expect(try fields.string("a") == nil)
    #expect(throws: Never.self) { try fields.finish() }
  }

  @Test func `a wrong type names the field and uses the reader's code`() throws {
    var fields = try Fields(["n": 9, "s": 1, "l": ["a", 2], "d": "soon"], "step", code: .planInvalid)
    let error = #expect(throws: SimplonError.self) { try fields.integer("n", in: 1...5) }
    #expect(error?.code == .planInvalid)
    #expect(error?.message == "\"n\" of step must be an integer from 1 to 5")
    #expect(throws: SimplonError.self) { try fields.string("s") }
    #expect(throws: SimplonError.self) { try fields.strings("l") }
    #expect(throws: SimplonError.self) { try fields.duration("d", in: .zero ... .seconds(1)) }
    #expect(throws: SimplonError.self) { try Fields([1], "body") }
  }
}
