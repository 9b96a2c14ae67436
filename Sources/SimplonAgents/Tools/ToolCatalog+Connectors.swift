import SimplonCore

extension ToolCatalog {
  /// The tools as a run's model is shown them: they name the connectors that serve the run, and what needs one is left
  /// out where there is none.
  ///
  /// The same connectors in the same order give the same bytes. Calls are checked against the catalog itself, as a
  /// plan's steps are: what the operator changes meanwhile must not change how a transcript is read.
  func naming(_ connectors: [Connector]) -> ToolCatalog {
    let services = connectors.filter { if case .http = $0.kind { true } else { false } }
    let databases = connectors.filter { if case .postgres = $0.kind { true } else { false } }
    return ToolCatalog(
      all.compactMap { declaration -> ToolDeclaration? in
        switch declaration.name {
        case "http": services.isEmpty ? declaration.withoutConnectors : declaration.naming(services)
        case "sql": databases.isEmpty ? nil : declaration.naming(databases)
        default: declaration
        }
      })
  }
}

extension ToolDeclaration {
  /// OpenAI refuses a tool's description of more than 1,024 characters.
  private static let summaryLimit = 1000

  /// The same tool, whose field `connector` can have these names alone.
  ///
  /// Its summary tells which of them only read, unless there are too many to say so.
  fileprivate func naming(_ connectors: [Connector]) -> ToolDeclaration {
    var fields = inputSchema["properties"]?.object ?? [:]
    var field = fields["connector"]?.object ?? [:]
    field["enum"] = .array(connectors.map { .string($0.name) })
    fields["connector"] = .object(field)
    let names = connectors.map { "\($0.name) (\($0.isReadOnly ? "read-only" : "may write"))" }
    let whole = "\(summary) Connectors: \(names.joined(separator: ", "))."
    return shown(whole.utf8.count <= Self.summaryLimit ? whole : summary, fields: fields)
  }

  /// `http` as it is where no connector serves the run.
  fileprivate var withoutConnectors: ToolDeclaration {
    var fields = inputSchema["properties"]?.object ?? [:]
    fields["connector"] = nil
    fields["path"] = nil
    fields["url"] = ["type": "string", "description": "http or https"]
    return shown("Sends an HTTP request to a host that the operator allows.", fields: fields)
  }
}
