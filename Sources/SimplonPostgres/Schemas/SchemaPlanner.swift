import SimplonCore

/// Finds out what it takes to make one database's schemas equal to another one's, from two snapshots alone.
///
/// Each thing is made, dropped, changed in place, or replaced. What hangs on a thing that is replaced is replaced with
/// it, as long as that holds no data. Then the steps are put in order by what needs what (``order()``).
struct SchemaPlanner {
  /// What becomes of one thing.
  enum Change {
    case make, drop, replace, alter
    /// A column that changes its type in place: what reads the column has to be out of the way.
    case retype
    /// An enumeration that is made anew, and its columns with it.
    case rebuild
  }

  let source: SchemaSnapshot
  let target: SchemaSnapshot
  /// What there should be.
  let from: [String: SchemaItem]
  /// What there is.
  let to: [String: SchemaItem]
  var changes = [String: Change]()
  var alterations = [String: [SchemaStatement]]()
  var additions = [SchemaStatement]()
  /// Columns whose values go over to the new form of their enumeration.
  var converted = [String: String]()

  /// Compares; nothing else happens before ``plan()``.
  init(from source: SchemaSnapshot, to target: SchemaSnapshot) {
    self.source = source
    self.target = target
    // An owner's rights need no grant, and the owners may be different people on the two sides.
    func counts(_ item: SchemaItem) -> Bool {
      guard item.kind == .rights, let parent = item.parent, let grantee = item.fact("grantee") else { return true }
      let owners = [source, target].map { side in side.items[parent].map { $0.fact("owner") ?? "" } ?? side.login }
      return !owners.contains(grantee)
    }
    from = source.items.filter { counts($0.value) }
    to = target.items.filter { counts($0.value) }
    for id in from.keys.sorted() {
      if let wanted = from[id], let found = to[id] { compare(wanted, found) } else { changes[id] = .make }
    }
    for id in to.keys where from[id] == nil { changes[id] = .drop }
  }

  /// Puts the steps in order.
  ///
  /// - Throws: `schema.not_supported` when there is no way that keeps the rows.
  mutating func plan() throws(SimplonError) -> SchemaPlan {
    try spread()
    var notes = [String]()
    if source.version != target.version {
      notes.append(
        "the servers are of versions \(source.version) and \(target.version), which may write the same definition "
          + "differently: what differs in its words alone is replaced, and stays in the plan")
    }
    let taken = changes.keys.sorted().filter { id in
      guard makes(id), let item = from[id], item.flag("definer") else { return false }
      return item.fact("owner") != target.login
    }
    if !taken.isEmpty {
      notes.append(
        "these will act with the rights of \(target.login), and others own them in the first database: "
          + taken.joined(separator: "; "))
    }
    let steps = try order()
    return SchemaPlan(statements: additions + statements(steps), notes: notes)
  }

  /// Whether it goes, for good or to come back in another form.
  func drops(_ id: String) -> Bool { changes[id] == .drop || changes[id] == .replace }

  /// Whether it is made, for the first time or again.
  func makes(_ id: String) -> Bool { changes[id] == .make || changes[id] == .replace }

  /// Whether it changes and stays.
  func alters(_ id: String) -> Bool {
    switch changes[id] {
    case .alter, .retype, .rebuild: true
    default: false
    }
  }

  /// Carries a replacement on to what hangs on the replaced.
  private mutating func spread() throws(SimplonError) {
    var queue = changes.filter { $0.value == .replace || $0.value == .retype || $0.value == .rebuild }.keys.sorted()
    var retyped = Set(queue.filter { changes[$0] == .retype })
    var next = 0
    while next < queue.count {
      let id = queue[next]
      next += 1
      let isReplaced = changes[id] == .replace
      let isRebuilt = changes[id] == .rebuild
      for user in target.users[id] ?? [] {
        guard let item = to[user], from[user] != nil, changes[user] != .replace else { continue }
        let isPlainColumn = item.kind == .column && item.fact("generated") == nil
        if isRebuilt, isPlainColumn {
          if item.facts["heir"]?.object == nil { converted[user] = id }
          if retyped.insert(user).inserted { queue.append(user) }
        } else if !isReplaced, item.staysOn(enumeration: isRebuilt) {
          continue
        } else if item.canBeReplaced || to[id]?.kind == .table && item.parent == id {
          changes[user] = .replace
          alterations[user] = nil
          queue.append(user)
        } else if changes[user] == nil || source.needs[user]?.contains(id) == true {
          throw SimplonError(
            .schemaNotSupported, "\(id) has to be made anew, and \(user) needs it, which holds data",
            hint: "Change the two by hand with a migration, and compare again.",
            details: ["item": .string(id), "needed_by": .string(user)])
        }
      }
    }
  }
}

extension SchemaItem {
  /// Whether it comes back as it was when it is dropped and made again.
  fileprivate var canBeReplaced: Bool {
    switch kind {
    case .schema, .extension, .sequence, .table: false
    case .column: fact("generated") != nil
    default: true
    }
  }

  /// Whether PostgreSQL takes it along when a column that it needs changes its type, or an enumeration that it names.
  fileprivate func staysOn(enumeration isRebuilt: Bool) -> Bool {
    switch kind {
    case .rights, .comment: true
    case .constraint, .index, .owningColumn, .storage: !isRebuilt
    case .column: !isRebuilt && fact("generated") == nil
    default: false
    }
  }
}
