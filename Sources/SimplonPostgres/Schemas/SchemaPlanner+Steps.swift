import SimplonCore

extension SchemaPlanner {
  /// The step that takes a thing away: its own, or that of what it goes with.
  func dropping(_ id: String) -> Step {
    guard let item = to[id] else { return step(.drop, id, .comment) }
    if let parent = item.parent, drops(parent) { return dropping(parent) }
    if let column = inherited(item), drops(column) { return dropping(column) }
    if item.kind == .sequence, let owner = to["owning column of sequence \(item.name)"]?.fact("column"), drops(owner) {
      return dropping(owner)
    }
    return step(.drop, id, item.kind)
  }

  /// The step that makes a thing: its own, or that of what it comes with.
  func making(_ id: String) -> Step {
    guard let item = from[id] else { return step(.make, id, .comment) }
    if let parent = item.parent, makes(parent) {
      if item.kind == .column || item.kind == .parent { return making(parent) }
      if item.kind == .default, from[parent]?.facts["heir"]?.object == nil { return making(parent) }
    }
    if let column = inherited(item), makes(column) { return making(column) }
    return step(.make, id, item.kind)
  }

  /// The step that changes a thing in place: its own, or that of the parent's column.
  func altering(_ id: String) -> Step {
    guard let item = to[id] else { return step(.alter, id, .comment) }
    if let column = inherited(item), alters(column) { return altering(column) }
    return step(.alter, id, item.kind)
  }

  /// All steps that change a thing in place.
  func changing(_ id: String) -> [Step] {
    var steps = [Step]()
    if let type = converted[id] { steps.append(altering(type)) }
    if alters(id) { steps.append(altering(id)) }
    return steps
  }

  /// The column of the parent that a column is one with, as long as the two tables stay together.
  private func inherited(_ item: SchemaItem) -> String? {
    guard let heir = item.facts["heir"], let bond = heir["bond"]?.string, let column = heir["column"]?.string,
      from[bond] != nil, to[bond] != nil, changes[bond] == nil
    else { return nil }
    return column
  }

  private func step(_ verb: Step.Verb, _ id: String, _ kind: SchemaItem.Kind) -> Step {
    let place = kind.place
    guard verb == .drop else { return Step(verb: verb, id: id, rank: 100 + place) }
    // Small things make room before anything comes, the great ones go when everything is there.
    return Step(verb: verb, id: id, rank: kind.isFoundation ? 300 - place : 100 - place)
  }
}
