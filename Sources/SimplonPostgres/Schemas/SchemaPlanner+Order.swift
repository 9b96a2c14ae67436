import SimplonCore

extension SchemaPlanner {
  /// One thing to do; the smaller ones come first where either could.
  struct Step: Hashable, Comparable {
    enum Verb: Int { case drop, alter, make }

    let verb: Verb
    let id: String
    let rank: Int

    static func < (one: Step, other: Step) -> Bool {
      (one.rank, one.id, one.verb.rawValue) < (other.rank, other.id, other.verb.rawValue)
    }
  }

  /// All steps, each after what has to come before it.
  ///
  /// - Throws: `schema.not_supported` when some wait for each other.
  func order() throws(SimplonError) -> [Step] {
    var edges = Edges()
    for id in changes.keys {
      if drops(id) { edges.add(dropping(id)) }
      if makes(id) { edges.add(making(id)) }
      if alters(id) { edges.add(altering(id)) }
    }
    for (user, needed) in target.needs where to[user] != nil {
      for id in needed where to[id] != nil { orderDrops(user, id, &edges) }
    }
    for (user, needed) in source.needs where from[user] != nil {
      for id in needed where from[id] != nil { orderMakes(user, id, &edges) }
    }
    orderTheRest(&edges)
    return try edges.sorted()
  }

  /// As PostgreSQL has it now: nothing goes, and no column changes, while somebody needs it.
  private func orderDrops(_ user: String, _ id: String, _ edges: inout Edges) {
    if drops(id) {
      let gone = dropping(id)
      if drops(user) {
        edges.add(dropping(user), before: gone)
      } else {
        for change in changing(user) { edges.add(change, before: gone) }
      }
    } else if drops(user) {
      for change in changing(id) { edges.add(dropping(user), before: change) }
    }
  }

  /// As it shall be: nothing comes before what it needs is as it shall be.
  private func orderMakes(_ user: String, _ id: String, _ edges: inout Edges) {
    let first = makes(id) ? [making(id)] : changing(id)
    guard !first.isEmpty else { return }
    let second = makes(user) ? [making(user)] : changing(user)
    for one in first { for other in second { edges.add(one, before: other) } }
  }

  /// What no catalog says: names that are still taken, and values that go over to a new enumeration first.
  private func orderTheRest(_ edges: inout Edges) {
    for (column, type) in converted where alters(column) { edges.add(altering(type), before: altering(column)) }
    var claims = [String: [String]]()
    var identities = [String: String]()
    for (id, item) in to {
      if drops(id), let name = item.claimedName { claims[name, default: []].append(id) }
      if let sequence = item.fact("sequence") { identities[sequence] = id }
    }
    for (id, item) in from where makes(id) {
      let made = making(id)
      if drops(id) { edges.add(dropping(id), before: made) }
      for other in item.claimedName.flatMap({ claims[$0] }) ?? [] { edges.add(dropping(other), before: made) }
      if item.kind == .sequence, let column = identities[item.name] {
        for step in drops(column) ? [dropping(column)] : changing(column) { edges.add(step, before: made) }
      }
      if item.kind == .parent {
        // A table and its parent must have the same columns by then.
        for table in [item.parent, item.fact("table")].compactMap(\.self) {
          for column in target.children[table] ?? [] where to[column]?.kind == .column && drops(column) {
            edges.add(dropping(column), before: made)
          }
        }
      }
    }
  }
}

/// What comes before what.
private struct Edges {
  private var followers = [SchemaPlanner.Step: Set<SchemaPlanner.Step>]()

  mutating func add(_ step: SchemaPlanner.Step) { followers[step, default: []].formUnion([]) }

  mutating func add(_ step: SchemaPlanner.Step, before other: SchemaPlanner.Step) {
    guard step != other else { return }
    followers[step, default: []].insert(other)
    add(other)
  }

  /// Of all that could be next always the smallest, so that equal differences give equal plans.
  func sorted() throws(SimplonError) -> [SchemaPlanner.Step] {
    var open = followers.mapValues { _ in 0 }
    for steps in followers.values { for step in steps { open[step, default: 0] += 1 } }
    var ready = open.filter { $0.value == 0 }.keys.sorted(by: >)
    var sorted = [SchemaPlanner.Step]()
    sorted.reserveCapacity(open.count)
    while let step = ready.popLast() {
      sorted.append(step)
      for follower in followers[step] ?? [] {
        let left = (open[follower] ?? 0) - 1
        open[follower] = left
        guard left == 0 else { continue }
        // The greatest comes first: the next is taken from the end.
        var (low, high) = (0, ready.count)
        while low < high {
          let middle = (low + high) / 2
          if ready[middle] > follower { low = middle + 1 } else { high = middle }
        }
        ready.insert(follower, at: low)
      }
    }
    guard sorted.count < open.count else { return sorted }
    let stuck = open.filter { $0.value > 0 }.keys.sorted().map(\.id)
    throw SimplonError(
      .schemaNotSupported,
      "there is no order for these, as they need each other: \(stuck.prefix(5).joined(separator: "; "))",
      hint: "Change one of them by hand with a migration, and compare again.",
      details: ["items": .array(stuck.map { .string($0) })])
  }
}
