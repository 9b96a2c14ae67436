package import SimplonCore

extension ApprovalRules {
  /// Reads `SIMPLON_APPROVALS`: a JSON array with an object per rule; `docs/plans.md` lists the fields.
  ///
  /// - Parameters:
  ///   - text: the value; an empty one means no rule.
  ///   - tools: what a rule may name: one for a tool that is not there would hold nothing back.
  /// - Throws: `config.invalid`, naming the rule and the field.
  package init(parsing text: String, tools: ToolCatalog) throws(SimplonError) {
    guard !text.allSatisfy(\.isWhitespace) else {
      self = .none
      return
    }
    guard let items = (try? JSON(parsing: text))?.array else {
      throw SimplonError(.configInvalid, "SIMPLON_APPROVALS must be a JSON array of objects")
    }
    var rules = [Rule]()
    for (index, item) in items.enumerated() {
      rules.append(try Rule(item, "SIMPLON_APPROVALS[\(index)]", tools))
    }
    self.init(rules: rules)
  }
}

extension ApprovalRules.Rule {
  fileprivate init(_ json: JSON, _ place: String, _ tools: ToolCatalog) throws(SimplonError) {
    var fields = try Fields(json, place, code: .configInvalid)
    tool = try fields.string("tool")
    connector = try fields.string("connector")
    guard tool != nil || connector != nil else {
      throw SimplonError(.configInvalid, "\(place) must name a \"tool\" (`*` is any) or a \"connector\"")
    }
    if let tool, tool != "*" {
      guard tools[tool] != nil else {
        throw fields.wrong("tool", "must be * or one of \(tools.all.map(\.name).joined(separator: ", "))")
      }
      guard tool != AskTool.declaration.name else { throw fields.wrong("tool", "cannot be ask, which asks by itself") }
    }
    if let name = try fields.string("argument") {
      argument = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard argument.allSatisfy({ !$0.isEmpty }) else {
        throw fields.wrong("argument", "must be a member's name, or several with dots between them")
      }
    }
    if let text = try fields.string("matches") {
      guard !argument.isEmpty else { throw fields.wrong("matches", "needs an \"argument\"") }
      pattern = TextPattern(text)
    }
    expires = try fields.duration("expires", in: AskTool.times)
    try fields.finish()
  }
}
