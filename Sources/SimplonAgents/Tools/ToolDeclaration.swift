package import SimplonCore

/// What a tool tells about itself: enough to check a plan before anything runs.
///
/// Two declarations are equal when all but their effects are, which are code.
package struct ToolDeclaration: Sendable, Hashable {
  /// The name a step uses, such as `python`.
  package let name: String
  /// One sentence for lists, and for a model that chooses among tools.
  package private(set) var summary: String
  /// The JSON Schema of its input, in the subset that ``InputSchema`` reads.
  package private(set) var inputSchema: JSON
  /// Input fields that are taken as written: `${{` in them is refused, so that no value ever becomes program text.
  package let literalFields: Set<String>
  /// Input fields that are handed over as they stand: expressions in them are another plan's.
  package private(set) var verbatimFields: Set<String> = []
  /// Whether it sees and leaves files; for a tool that does not, no folder is joined.
  package let usesFiles: Bool
  /// The time a call gets when its step names none.
  package let timeout: Duration
  /// The longest time a step may ask for.
  package let maximumTimeout: Duration
  private let effectOfInput: @Sendable (JSON) -> EffectKind

  /// Makes a declaration of a tool whose calls all have the same effect.
  package init(
    name: String, summary: String, inputSchema: JSON, effect: EffectKind, literalFields: Set<String> = [],
    usesFiles: Bool = true, timeout: Duration, maximumTimeout: Duration
  ) {
    self.init(
      name: name, summary: summary, inputSchema: inputSchema, effectOfInput: { _ in effect },
      literalFields: literalFields, usesFiles: usesFiles, timeout: timeout, maximumTimeout: maximumTimeout)
  }

  /// Makes a declaration of a tool whose effect hangs on the input.
  ///
  /// `effectOfInput` gets the input, whose expressions need not be resolved: what it decides by are literal fields, and
  /// whether a field is there.
  package init(
    name: String, summary: String, inputSchema: JSON, effectOfInput: @escaping @Sendable (JSON) -> EffectKind,
    literalFields: Set<String>, usesFiles: Bool, timeout: Duration, maximumTimeout: Duration
  ) {
    self.name = name
    self.summary = summary
    self.inputSchema = inputSchema
    self.effectOfInput = effectOfInput
    self.literalFields = literalFields
    self.usesFiles = usesFiles
    self.timeout = timeout
    self.maximumTimeout = maximumTimeout
  }

  /// The same tool, which gets these fields as they stand.
  package func handingOver(_ fields: Set<String>) -> ToolDeclaration {
    var declaration = self
    declaration.verbatimFields = fields
    return declaration
  }

  /// The same tool in other words and with other fields, as a model is to see it.
  func shown(_ summary: String, fields: [String: JSON]) -> ToolDeclaration {
    var declaration = self
    declaration.summary = summary
    var schema = inputSchema.object ?? [:]
    schema["properties"] = .object(fields)
    declaration.inputSchema = .object(schema)
    return declaration
  }

  /// What repeating a call with this input would do.
  package func effect(of input: JSON) -> EffectKind { effectOfInput(input) }

  /// Refuses an input whose expressions are resolved when it does not fit the schema.
  ///
  /// - Throws: `tool.input`; the message names the field, never its value.
  package func check(_ input: JSON) throws(SimplonError) {
    guard let misfit = InputSchema(inputSchema).misfit(of: input) else { return }
    throw SimplonError(.toolInput, "the input of tool \"\(name)\" does not fit: \(misfit)")
  }
}

extension ToolDeclaration {
  package static func == (one: ToolDeclaration, other: ToolDeclaration) -> Bool {
    one.name == other.name && one.summary == other.summary && one.inputSchema == other.inputSchema
      && one.literalFields == other.literalFields && one.verbatimFields == other.verbatimFields
      && one.usesFiles == other.usesFiles
      && one.timeout == other.timeout && one.maximumTimeout == other.maximumTimeout
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension Plan.Step {
  /// The part of its input in which expressions are the plan's own.
  var templates: JSON {
    guard !declaration.verbatimFields.isEmpty, let members = input.object else { return input }
    return .object(members.filter { !declaration.verbatimFields.contains($0.key) })
  }

  /// The resolved templates together with what is handed over as it stands.
  func completed(_ resolved: JSON) -> JSON {
    guard !declaration.verbatimFields.isEmpty, var members = resolved.object else { return resolved }
    for name in declaration.verbatimFields { members[name] = input[name] }
    return .object(members)
  }
}
