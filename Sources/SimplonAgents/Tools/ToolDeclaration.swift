package import SimplonCore

/// What a tool tells about itself: enough to check a plan before anything runs.
package struct ToolDeclaration: Sendable, Hashable {
  /// The name a step uses, such as `python`.
  package let name: String
  /// One sentence for lists, and for a model that chooses among tools.
  package let summary: String
  /// The JSON Schema of its input, in the subset that ``InputSchema`` reads.
  package let inputSchema: JSON
  /// What repeating a call would do.
  package let effect: EffectKind
  /// Input fields that are taken as written: `${{` in them is refused, so that no value ever becomes program text.
  package let literalFields: Set<String>
  /// Whether it sees and leaves files; for a tool that does not, no folder is joined.
  package let usesFiles: Bool
  /// The time a call gets when its step names none.
  package let timeout: Duration
  /// The longest time a step may ask for.
  package let maximumTimeout: Duration

  /// Makes a declaration.
  package init(
    name: String, summary: String, inputSchema: JSON, effect: EffectKind, literalFields: Set<String> = [],
    usesFiles: Bool = true, timeout: Duration, maximumTimeout: Duration
  ) {
    self.name = name
    self.summary = summary
    self.inputSchema = inputSchema
    self.effect = effect
    self.literalFields = literalFields
    self.usesFiles = usesFiles
    self.timeout = timeout
    self.maximumTimeout = maximumTimeout
  }

  /// Refuses an input whose expressions are resolved when it does not fit the schema.
  ///
  /// - Throws: `tool.input`; the message names the field, never its value.
  package func check(_ input: JSON) throws(SimplonError) {
    guard let misfit = InputSchema(inputSchema).misfit(of: input) else { return }
    throw SimplonError(.toolInput, "the input of tool \"\(name)\" does not fit: \(misfit)")
  }
}
