import SimplonCore

extension SchemaPlanner {
  /// The SQL of the steps.
  func statements(_ steps: [Step]) -> [SchemaStatement] {
    steps.flatMap { step -> [SchemaStatement] in
      switch step.verb {
      case .drop: to[step.id].map { [drop($0)] } ?? []
      case .alter: changes[step.id] == .rebuild ? rebuild(step.id) : alterations[step.id] ?? []
      case .make: from[step.id].map(make) ?? []
      }
    }
  }

  private func drop(_ item: SchemaItem) -> SchemaStatement {
    let loses: String? =
      switch item.kind {
      case .table: "all rows of \(item.name)"
      case .column: item.fact("generated") == nil ? "all values of \(item.name)" : nil
      case .sequence: "where \(item.name) stands"
      case .extension: "what the extension \(item.name) keeps"
      default: nil
      }
    return step(item, item.unmake, loses: loses)
  }

  /// A value cannot be taken out of an enumeration, so all columns move to a new one.
  private func rebuild(_ id: String) -> [SchemaStatement] {
    guard let wanted = from[id], let found = to[id], let name = found.fact("old"), let old = found.fact("moved") else {
      return []
    }
    let gone = Set(found.list("labels") ?? []).subtracting(wanted.list("labels") ?? []).sorted()
    let loses = gone.isEmpty ? nil : "rows that hold \(gone.joined(separator: ", ")) stop the change"
    var steps = [step(found, "alter type \(found.name) rename to \(name)"), step(wanted, wanted.make)]
    for column in converted.filter({ $0.value == id }).keys.sorted() {
      guard let item = to[column], let table = item.fact("table"), let own = item.fact("column"),
        let type = item.fact("type")
      else { continue }
      steps.append(
        step(
          item, "alter table \(table) alter column \(own) type \(type) using \(own)::text::\(type)", loses: loses,
          lock: Self.rewriting))
    }
    // Said once more where no column has the type, as values may lie in other places.
    steps.append(step(found, "drop type \(old)", loses: steps.count == 2 ? loses : nil))
    return steps
  }

  private func make(_ item: SchemaItem) -> [SchemaStatement] {
    switch item.kind {
    case .table: return [step(item, table(item))] + revocations(item)
    case .column: return [column(item)]
    case .rights: return rights(item)
    default: return [step(item, item.make, lock: lock(item))] + revocations(item)
    }
  }

  private func table(_ item: SchemaItem) -> String {
    if let partition = item.fact("partition") {
      return [item.make, partition, item.fact("tail") ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
    }
    let columns = (source.children[item.id] ?? []).compactMap { from[$0] }
      .filter { $0.kind == .column && inheritsNothing($0) }.sorted { $0.address.part < $1.address.part }
    let list = columns.isEmpty ? "()" : "(\n  \(columns.map(declaration).joined(separator: ",\n  "))\n)"
    return [item.make, list, item.fact("tail") ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
  }

  private func inheritsNothing(_ column: SchemaItem) -> Bool { column.facts["heir"]?.object == nil }

  /// A column with its default, which the rows that are there get too.
  private func declaration(_ column: SchemaItem) -> String {
    guard let value = from["default of \(column.name)"]?.fact("expression") else { return column.make }
    return "\(column.make) default \(value)"
  }

  private func column(_ item: SchemaItem) -> SchemaStatement {
    let table = item.fact("table") ?? ""
    let isComputed = item.fact("generated") != nil || item.fact("identity") != nil
    // The default of an heir is a step of its own.
    let text = inheritsNothing(item) ? declaration(item) : item.make
    var added = step(item, "alter table \(table) add column \(text)", lock: isComputed ? Self.rewriting : nil)
    let mustHave = item.flag("notnull") && !isComputed && from["default of \(item.name)"] == nil
    if mustHave, let found = item.parent.flatMap({ to[$0] }) { added.obstacle = "exists (select from \(found.name))" }
    return added
  }

  /// Grants what a new object does not have from the beginning.
  private func rights(_ item: SchemaItem) -> [SchemaStatement] {
    guard let whole = item.parent.flatMap({ from[$0] }), makes(whole.id), let grantee = item.fact("grantee") else {
      return [step(item, item.make)]
    }
    guard let had = target.defaultRights(of: whole)[grantee] else { return [step(item, item.make)] }
    return had == item.right ? [] : [step(item, item.unmake), step(item, item.make)]
  }

  /// Takes from a new object what it has from the beginning and shall not have.
  private func revocations(_ item: SchemaItem) -> [SchemaStatement] {
    guard let place = item.fact("on") else { return [] }
    return target.defaultRights(of: item).keys.sorted().compactMap { grantee in
      guard grantee != item.fact("owner"), grantee != target.login, from["rights of \(grantee) on \(place)"] == nil
      else {
        return nil
      }
      return step(item, "revoke all on \(place) from \(grantee)")
    }
  }

  /// Who waits for what is made on a table that is in use.
  private func lock(_ item: SchemaItem) -> String? {
    guard let parent = item.parent, to[parent]?.kind == .table || to[parent]?.kind == .domain, !makes(parent) else {
      return nil
    }
    switch (item.kind, item.fact("type") ?? "") {
    case (.index, _):
      return "writes to the table wait until the index is built; to avoid that, build it beforehand with CREATE INDEX "
        + "CONCURRENTLY"
    case (.constraint, "f"): return "writes to both tables wait until all rows are checked"
    case (.constraint, "p"), (.constraint, "u"), (.constraint, "x"):
      return "nobody can use the table until the index is built"
    case (.constraint, _): return item.make.hasSuffix(" NOT VALID") ? nil : Self.checking
    case (.parent, _): return Self.checking
    default: return nil
    }
  }
}
