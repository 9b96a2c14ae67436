import SimplonCore

/// A tool that runs program text in a sandbox: the text is a literal field, and values enter as data, by `env` (short
/// strings) or `input` (any JSON, in the file that `$SIMPLON_INPUT` names).
struct ProgramTool: Sendable {
  /// What plans see.
  let declaration: ToolDeclaration
  /// The interpreter with its flags.
  let words: [String]
  /// The input's field that holds the text.
  let field: String
  /// The text's file name, which error messages of the interpreter show.
  let fileName: String

  init(name: String, summary: String, field: String, fieldSummary: String, words: [String], fileName: String) {
    let properties: [String: JSON] = [
      field: ["type": "string", "minLength": 1, "description": .string(fieldSummary)],
      "env": [
        "type": "object", "description": "environment variables: strings of at most 64 KiB",
        "additionalProperties": ["type": "string", "maxLength": .integer(Self.valueLimit)],
      ],
      "input": ["description": "any JSON; the program finds it in the file that $SIMPLON_INPUT names"],
    ]
    declaration = ToolDeclaration(
      name: name, summary: summary,
      inputSchema: [
        "type": "object", "additionalProperties": false, "required": [.string(field)],
        "properties": .object(properties),
      ],
      effect: .pure, literalFields: [field], timeout: .seconds(60), maximumTimeout: .seconds(86_400))
    self.words = words
    self.field = field
    self.fileName = fileName
  }

  /// Variables of the environment.
  ///
  /// - Source: bwrap takes 9,000 arguments, three for each of them.
  static let variableLimit = 1000
  /// Bytes of one environment value.
  static let valueLimit = 64 * 1024
  /// Bytes of the whole environment.
  ///
  /// - Source: Linux gives arguments and environment a quarter of the stack, 2 MiB.
  static let environmentLimit = 512 * 1024

  /// The program that an input asks for.
  ///
  /// - Throws: `tool.input` for an environment that cannot be.
  func program(_ input: JSON) throws(SimplonError) -> Program {
    let variables = input["env"]?.object ?? [:]
    guard variables.count <= Self.variableLimit else {
      throw SimplonError(
        .toolInput, "the environment has more than \(Self.variableLimit) variables",
        hint: "pass many values as `input`")
    }
    var environment = [String: String]()
    var total = 0
    for (name, value) in variables {
      func wrong(_ what: String) -> SimplonError {
        SimplonError(.toolInput, "the environment variable \"\(name.prefix(64))\" \(what)")
      }
      guard Self.isName(name) else { throw wrong("must be named with letters, digits and underscores") }
      guard !name.hasPrefix("SIMPLON_"), !name.hasPrefix("LD_") else { throw wrong("has a reserved name") }
      guard let text = value.string, text.utf8.count <= Self.valueLimit, !text.utf8.contains(0) else {
        throw wrong("must be a string of at most \(Self.valueLimit) bytes")
      }
      total += name.utf8.count + text.utf8.count + 2
      environment[name] = text
    }
    guard total <= Self.environmentLimit else {
      throw SimplonError(
        .toolInput, "the environment is longer than \(Self.environmentLimit) bytes",
        hint: "pass large values as `input`")
    }
    return Program(
      words: words, fileName: fileName, text: input[field]?.string ?? "", input: input["input"] ?? .null,
      environment: environment)
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !first.isDigit, text.utf8.count <= 256 else { return false }
    return text.utf8.allSatisfy { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
  }
}
