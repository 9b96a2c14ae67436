import SimplonCore

/// Which calls a person has to approve, by the operator's word; for steps of plans and for calls of a model alike.
package struct ApprovalRules: Sendable, Hashable {
  /// One rule: a call to which all of it applies needs approval.
  struct Rule: Sendable, Hashable {
    /// The tool; nil or `*` is any.
    var tool: String?
    /// The connector that the call names.
    var connector: String?
    /// The names that lead to a member of the input.
    var argument: [String] = []
    /// What that member must be; nil means that it is there.
    var pattern: TextPattern?
    /// How long there is time to approve.
    var expires: Duration?
  }

  /// No rule.
  package static let none = ApprovalRules(rules: [])

  let rules: [Rule]

  /// The first rule by which a call needs approval.
  ///
  /// - Parameters:
  ///   - tool: what is called.
  ///   - input: with its expressions resolved; what it leaves out counts as the tool's default.
  /// - Returns: the rule; nil when none applies.
  func rule(for tool: ToolDeclaration, _ input: JSON) -> Rule? {
    guard !rules.isEmpty, !Self.exempt.contains(tool.name) else { return nil }
    return rules.first { $0.applies(to: tool, input) }
  }

  /// A question to a model and one to a person change nothing.
  private static let exempt: Set<String> = ["ask", "model"]
}

extension ApprovalRules.Rule {
  fileprivate func applies(to declaration: ToolDeclaration, _ input: JSON) -> Bool {
    if let tool, tool != "*", tool != declaration.name { return false }
    if let connector, input["connector"]?.string != connector { return false }
    guard let first = argument.first else { return true }
    let fallback = declaration.inputSchema["properties"]?[first]?["default"]
    let value = argument.dropFirst().reduce(input[first] ?? fallback) { $0?[$1] }
    var spellings = value.flatMap { $0.isNull ? nil : [$0.string ?? $0.text] } ?? []
    spellings += value.flatMap(ExactNumber.init)?.plain.map { [$0] } ?? []
    // However an address is written, it is judged by where it leads.
    if declaration.name == HTTPTool.declaration.name, ["url", "path"].contains(argument.joined(separator: ".")) {
      spellings += HTTPTool.spellings(of: first, in: input)
    }
    guard let pattern else { return !spellings.isEmpty }
    return spellings.contains(where: pattern.matches)
  }
}
