import SimplonCore

extension SchemaPlanner {
  /// Notes what becomes of a thing that both sides have.
  mutating func compare(_ wanted: SchemaItem, _ found: SchemaItem) {
    switch wanted.kind {
    case .column: compareColumn(wanted, found)
    case .table: compareTable(wanted, found)
    // An index that could not be built is worth nothing, whatever its definition says.
    case _ where wanted.make == found.make && !found.flag("broken"): break
    case .type: compareType(wanted, found)
    case .domain: compareDomain(wanted, found)
    case .extension, .sequence: alter(wanted, [step(wanted, wanted.fact("set") ?? wanted.make)])
    // A function whose arguments and result stay can be put in place of the old one.
    case _ where wanted.fact("signature") != nil && wanted.fact("signature") == found.fact("signature"):
      alter(wanted, [step(wanted, wanted.make)])
    case .constraint where found.make == wanted.make + " NOT VALID":
      alter(wanted, [step(wanted, wanted.fact("validate") ?? wanted.make)])
    case .parameters, .rights: alter(wanted, [step(wanted, found.unmake), step(wanted, wanted.make)])
    case .default, .storage, .comment, .owningColumn, .replicaIdentity: alter(wanted, [step(wanted, wanted.make)])
    default: changes[wanted.id] = .replace
    }
  }

  /// A step about a thing.
  func step(_ item: SchemaItem, _ sql: String, loses: String? = nil, lock: String? = nil) -> SchemaStatement {
    SchemaStatement(item: item.id, sql: sql, loses: loses, lock: lock)
  }

  private mutating func alter(_ item: SchemaItem, _ steps: [SchemaStatement], as change: Change = .alter) {
    changes[item.id] = change
    alterations[item.id] = steps
  }

  private mutating func compareTable(_ wanted: SchemaItem, _ found: SchemaItem) {
    if wanted.fact("shape") != found.fact("shape") {
      changes[wanted.id] = .replace
    } else if let logged = wanted.fact("logged"), logged != found.fact("logged") {
      alter(wanted, [step(wanted, "alter table \(wanted.name) set \(logged)", lock: Self.rewriting)])
    }
  }

  private mutating func compareColumn(_ wanted: SchemaItem, _ found: SchemaItem) {
    let change = "alter table \(wanted.fact("table") ?? "") alter column \(wanted.fact("column") ?? "")"
    var steps = [SchemaStatement]()
    if wanted.fact("generated") != found.fact("generated") {
      // Only a stored expression can be dropped, and none can be added.
      guard wanted.fact("generated") == nil, found.fact("generated")?.first == "s" else {
        changes[wanted.id] = .replace
        return
      }
      steps.append(step(wanted, "\(change) drop expression"))
    }
    let isRetyped = wanted.fact("type") != found.fact("type")
    if isRetyped {
      let isSameBase = wanted.fact("base") == found.fact("base")
      // Without the length: a cast to `varchar(5)` cuts without a word, an assignment to it refuses.
      let using = " using \(wanted.fact("column") ?? "")::\(wanted.fact("base") ?? "")"
      let isSafe = ColumnType(wanted).holds(ColumnType(found))
      steps.append(
        step(
          wanted,
          "\(change) type \(wanted.fact("type") ?? "")"
            + (isSameBase || wanted.fact("generated") != nil ? "" : using),
          loses: isSafe ? nil : "what does not fit into \(wanted.fact("type") ?? "") is rounded, or stops the change",
          lock: Self.rewriting))
    }
    // What an heir has of its parent's changes with the parent.
    if wanted.facts["heir"]?.object == nil || found.facts["heir"]?.object == nil {
      steps += identitySteps(wanted, found, change)
    }
    guard !steps.isEmpty else { return }
    alter(wanted, steps, as: isRetyped ? .retype : .alter)
  }

  /// An identity needs a column that is never null, so the one goes before the other comes.
  private func identitySteps(_ wanted: SchemaItem, _ found: SchemaItem, _ change: String) -> [SchemaStatement] {
    let (new, old) = (wanted.fact("identity"), found.fact("identity"))
    var steps = [SchemaStatement]()
    if old != nil, new == nil { steps.append(step(wanted, "\(change) drop identity")) }
    if wanted.flag("notnull"), !found.flag("notnull") {
      var refusing = step(wanted, "\(change) set not null", lock: Self.checking)
      refusing.obstacle =
        "exists (select from \(found.fact("table") ?? "") where \(found.fact("column") ?? "") is null)"
      steps.append(refusing)
    }
    if let new, old == nil {
      steps.append(step(wanted, "\(change) add generated \(new) as identity (\(wanted.fact("options") ?? ""))"))
    } else if let new, new != old || wanted.fact("options") != found.fact("options") {
      steps.append(step(wanted, "\(change) set generated \(new) \(wanted.fact("settings") ?? "")"))
    }
    if found.flag("notnull"), !wanted.flag("notnull") { steps.append(step(wanted, "\(change) drop not null")) }
    return steps
  }

  private mutating func compareType(_ wanted: SchemaItem, _ found: SchemaItem) {
    guard let new = wanted.list("labels"), let old = found.list("labels") else {
      changes[wanted.id] = .replace
      return
    }
    var rest = old[...]
    for label in new where label == rest.first { rest.removeFirst() }
    guard rest.isEmpty else {
      changes[wanted.id] = .rebuild
      return
    }
    for (place, label) in new.enumerated() where !old.contains(label) {
      // In the order of the labels, so that the one before is there.
      let order = place > 0 ? " after \(new[place - 1])" : old.first.map { " before \($0)" } ?? ""
      var addition = step(wanted, "alter type \(wanted.name) add value \(label)\(order)")
      addition.isApart = true
      additions.append(addition)
    }
  }

  private mutating func compareDomain(_ wanted: SchemaItem, _ found: SchemaItem) {
    guard wanted.fact("base") == found.fact("base") else {
      changes[wanted.id] = .replace
      return
    }
    var steps = [SchemaStatement]()
    let value = wanted.fact("default")
    if value != found.fact("default") {
      steps.append(
        step(wanted, "alter domain \(wanted.name) " + (value.map { "set default \($0)" } ?? "drop default")))
    }
    if wanted.flag("notnull") != found.flag("notnull") {
      let verb = wanted.flag("notnull") ? "set" : "drop"
      steps.append(
        step(wanted, "alter domain \(wanted.name) \(verb) not null", lock: verb == "set" ? Self.checking : nil))
    }
    alter(wanted, steps)
  }

  static let rewriting = "nobody can use the table while its rows are rewritten or checked"
  static let checking = "nobody can use the table while its rows are checked"
}
