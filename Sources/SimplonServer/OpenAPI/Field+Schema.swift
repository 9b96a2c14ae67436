import SimplonAgents
import SimplonCore

extension Field {
  /// What it is for, with what no JSON Schema can say: there a length counts characters.
  var description: String {
    if case .text(_, let maximum) = kind { "\(summary); at most \(maximum) bytes of UTF-8" } else { summary }
  }

  /// The kind in the words of JSON Schema.
  var schema: JSON {
    switch kind {
    case .text(0, let maximum): ["type": "string", "maxLength": .integer(maximum)]
    case .text(let minimum, let maximum):
      ["type": "string", "minLength": .integer(minimum), "maxLength": .integer(maximum)]
    case .name: ["type": "string", "pattern": .string(AgentWords.namePattern)]
    case .uuid: ["type": "string", "format": "uuid"]
    case .time: ["type": "string", "format": "date-time"]
    case .number(let range):
      ["type": "number", "minimum": .number("\(range.lowerBound)"), "maximum": .number("\(range.upperBound)")]
    case .integer(let range):
      ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    case .boolean: ["type": "boolean"]
    case .choice(let words, _): ["type": "string", "enum": .array(words.map(JSON.string))]
    case .texts: ["type": "array", "items": ["type": "string"]]
    case .any: Schema.any
    case .object(let name, _): name.map(Schema.reference) ?? ["type": "object"]
    }
  }
}
