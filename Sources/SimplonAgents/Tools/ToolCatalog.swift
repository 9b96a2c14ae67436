package import SimplonCore

/// The tools that plans may use, by name.
package struct ToolCatalog: Sendable {
  private let declarations: [String: ToolDeclaration]

  /// Makes a catalog; two declarations of one name are a fault of ours.
  package init(_ declarations: [ToolDeclaration]) {
    self.declarations = Dictionary(uniqueKeysWithValues: declarations.map { ($0.name, $0) })
  }

  /// The declaration of that name, or nil.
  package subscript(name: String) -> ToolDeclaration? { declarations[name] }

  /// Every declaration, by name.
  package var all: [ToolDeclaration] { declarations.values.sorted { $0.name < $1.name } }

  /// Those of these names; all at nil.
  package func only(_ names: [String]?) -> ToolCatalog {
    guard let names else { return self }
    return ToolCatalog(all.filter { names.contains($0.name) })
  }

  /// The declaration of that name.
  ///
  /// - Throws: `plan.not_supported` for a tool that comes with a later version, `plan.unknown_tool` for any other name.
  package func declaration(named name: String) throws(SimplonError) -> ToolDeclaration {
    if let declaration = declarations[name] { return declaration }
    let known = "tools: " + all.map(\.name).joined(separator: ", ")
    let family =
      name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? name
    let isLater = name != family && Self.laterFamilies.contains(family)
    throw isLater
      ? SimplonError(.planNotSupported, "the tool \"\(name.prefix(64))\" is not there yet", hint: known)
      : SimplonError(.planUnknownTool, "there is no tool \"\(name.prefix(64))\"", hint: known)
  }

  private static let laterFamilies: Set<String> = ["storage"]
}
