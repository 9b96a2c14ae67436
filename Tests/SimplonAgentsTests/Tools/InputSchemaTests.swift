import SimplonAgents
import SimplonCore
import Testing

@Suite struct InputSchemaTests {
  private static let schema: JSON = [
    "type": "object", "required": ["code"], "additionalProperties": false,
    "properties": [
      "code": ["type": "string", "minLength": 1, "maxLength": 5, "description": "a program"],
      "count": ["type": "integer", "minimum": 0, "maximum": .number("10.5")], "ratio": ["type": "number"],
      "env": ["type": "object", "additionalProperties": ["type": "string"]], "flag": ["type": ["boolean", "null"]],
      "list": ["type": "array", "items": ["type": "object", "required": ["x"]]], "mode": ["enum": ["a", 1, nil]],
      "any": [:],
    ],
  ]

  @Test(
    arguments: [
      ["code": "x"], ["code": "x", "count": 0], ["code": "x", "count": .number("1e1")],
      ["code": "x", "ratio": .number("0.5")],
      ["code": "x", "env": ["A": "b"]], ["code": "x", "flag": nil], ["code": "x", "flag": true],
      ["code": "x", "list": []],
      ["code": "x", "list": [["x": 1]]], ["code": "x", "mode": .number("1.0")], ["code": "x", "mode": nil],
      ["code": "\u{1F600}\u{1F600}\u{1F600}\u{1F600}\u{1F600}"], ["code": "x", "any": [1, "2"]],
    ] as [JSON])
  func `what fits is accepted`(value: JSON) {
    #expect(InputSchema(Self.schema).misfit(of: value) == nil)
  }

  @Test(
    arguments: [
      ([], "it must be an object"), ([:], "\"code\" is missing"), (["code": 1], "\"code\" must be a string"),
      (["code": ""], "\"code\" must have at least 1 characters"),
      (["code": "123456"], "\"code\" must have at most 5 characters"),
      (["code": "x", "count": .number("1.5")], "\"count\" must be an integer"),
      (["code": "x", "count": -1], "\"count\" must be at least 0"),
      (["code": "x", "count": 11], "\"count\" must be at most 10.5"),
      (["code": "x", "ratio": "1"], "\"ratio\" must be a number"),
      (["code": "x", "env": ["A": 1]], "\"env.A\" must be a string"),
      (["code": "x", "ratio": .number("1e99999999999")], "\"ratio\" has too large an exponent"),
      (["code": "x", "flag": "no"], "\"flag\" must be true or false or null"),
      (["code": "x", "list": [["x": 1], 2]], "\"list[1]\" must be an object"),
      (["code": "x", "list": [[:]]], "\"list[0].x\" is missing"),
      (["code": "x", "mode": "b"], "\"mode\" must be one of \"a\", 1, null"),
      (["code": "x", "more": 1], "\"more\" is not known"),
    ] as [(JSON, String)])
  func `what does not fit is named by its place`(value: JSON, misfit: String) {
    #expect(InputSchema(Self.schema).misfit(of: value) == misfit)
  }

  @Test func `values with expressions are passed over and the others are not`() {
    let schema = InputSchema(Self.schema)
    #expect(
      schema.misfit(of: ["code": "${{ run.id }}", "count": "${{ run.attempt }}"], skippingExpressions: true) == nil)
    #expect(schema.misfit(of: ["code": "x", "mode": "${{ run.id }}"], skippingExpressions: true) == nil)
    #expect(schema.misfit(of: ["code": "x", "list": ["${{ run.id }}"]], skippingExpressions: true) == nil)
    #expect(schema.misfit(of: ["code": "x", "list": ["${{ run.id }}", 1]], skippingExpressions: true) != nil)
    #expect(
      schema.misfit(of: ["code": "x", "more": "${{ run.id }}"], skippingExpressions: true) == "\"more\" is not known")
    #expect(schema.misfit(of: ["code": "${{ run.id }}", "count": "1"], skippingExpressions: false) != nil)
  }

  @Test func `a sound schema has no faults`() {
    #expect(InputSchema(Self.schema).faults == [])
    for tool in tools.all { #expect(InputSchema(tool.inputSchema).faults == []) }
  }

  @Test(
    arguments: [
      (["pattern": "x"], "schema.pattern is not known"), (["type": "text"], "schema.type is no type"),
      (["type": []], "schema.type is no type"),
      (["properties": ["a": ["oneOf": []]]], "schema.properties.a.oneOf is not known"),
      (["properties": 1], "schema.properties is no object"),
      (["items": ["$ref": "x"]], "schema.items.$ref is not known"),
      (["additionalProperties": 1], "schema.additionalProperties is no object"),
      (["required": ["a", 1]], "schema.required is no list of names"),
      (["enum": []], "schema.enum is no list of values"),
      (["enum": .array(Array(repeating: 1, count: 251))], "schema.enum has more than 250 values"),
      (["required": .array(Array(repeating: "a", count: 251))], "schema.required has more than 250 names"),
      (["type": .array(Array(repeating: "null", count: 8))], "schema.type is no type"),
      (["minimum": "1"], "schema.minimum is no number"), (["maxLength": -1], "schema.maxLength is no length"),
      (1, "schema is no object"),
    ] as [(JSON, String)])
  func `what is outside the subset is a fault`(schema: JSON, fault: String) {
    #expect(InputSchema(schema).faults == [fault])
  }
}
