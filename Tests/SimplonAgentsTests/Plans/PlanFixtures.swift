import SimplonAgents
import SimplonCore

/// A few tools in the shapes that the real ones have.
let tools = ToolCatalog([
  ToolDeclaration(
    name: "noop", summary: "Answers with its input.", inputSchema: ["type": "object"], effect: .pure,
    timeout: .seconds(1), maximumTimeout: .seconds(10)),
  ToolDeclaration(
    name: "python", summary: "Runs a program.",
    inputSchema: [
      "type": "object", "required": ["code"], "additionalProperties": false,
      "properties": [
        "code": ["type": "string", "minLength": 1], "input": ["description": "any value"],
        "env": ["type": "object", "additionalProperties": ["type": "string", "maxLength": 65536]],
        "level": ["type": "integer", "minimum": 0, "maximum": 9], "mode": ["enum": ["fast", "safe"]],
      ],
    ],
    effect: .pure, literalFields: ["code"], timeout: .seconds(60), maximumTimeout: .seconds(600)),
])

/// A plan of the given steps, each with the tool `noop` unless it names one.
func plan(_ steps: [JSON], output: JSON? = nil) throws -> Plan {
  var members: [String: JSON] = ["steps": .array(steps.map(filledIn))]
  members["output"] = output
  return try Plan(json: .object(members), tools: tools)
}

private func filledIn(_ step: JSON) -> JSON {
  guard case .object(var members) = step, members["tool"] == nil else { return step }
  members["tool"] = "noop"
  return .object(members)
}

/// What the body throws, or nil.
func failure<R>(_ body: () throws -> R) -> SimplonError? {
  do { _ = try body() } catch let error as SimplonError { return error } catch { return nil }
  return nil
}

/// A step that failed, with what its tool answered all the same.
func failed(_ error: SimplonError, output: JSON? = nil) -> SettledStep {
  SettledStep(status: .failed, output: output, error: error.json)
}

/// Random numbers that are the same in every run.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
