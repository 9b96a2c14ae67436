import SimplonCore

/// What a database's catalog held at one moment, as far as schemas are compared.
struct SchemaSnapshot: Sendable {
  let items: [String: SchemaItem]
  /// What each thing needs to be there, by identity.
  let needs: [String: Set<String>]
  /// The same, the other way around, in order.
  let users: [String: [String]]
  /// The parts of each thing, in order.
  let children: [String: [String]]
  /// The rights that an object of ours gets when it is made: by kind and schema, then by grantee.
  let defaultRights: [String: [String: String]]
  /// Who reads, quoted.
  let login: String
  /// The server's major version.
  let version: Int
  /// Those of the wanted schemas that are there.
  let schemas: Set<String>
}

extension SchemaSnapshot {
  /// What texts of the catalog depend on, until the end of the transaction.
  private static let session = """
    set local search_path = '';
    set local quote_all_identifiers = off;
    set local timezone = 'UTC';
    set local datestyle = 'ISO, YMD';
    set local intervalstyle = 'postgres';
    set local extra_float_digits = 1;
    """

  /// Reads the catalog with a few queries, however large it is.
  ///
  /// - Parameters:
  ///   - connection: in a transaction, whose settings change.
  ///   - wanted: the schemas to read; empty for all but `excluded`.
  ///   - excluded: what is left out when no schema is named.
  /// - Throws: like a query.
  init(_ connection: PostgresConnection, schemas wanted: [String], excluding excluded: [String]) async throws {
    try await connection.execute(unsafeSQL: Self.session)
    let server = try await Self.server(connection, wanted)
    version = server.version
    schemas = server.schemas
    let found = try await Self.items(connection, wanted, excluded)
    items = Dictionary(found.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    children = Dictionary(grouping: found.filter { $0.parent != nil }) { $0.parent ?? "" }.mapValues { $0.map(\.id) }
    needs = try await Self.needs(of: found, items: items, children: children, connection)
    var users = [String: [String]]()
    for (user, needed) in needs { for id in needed { users[id, default: []].append(user) } }
    self.users = users.mapValues { $0.sorted() }
    let own = try await Self.ownRights(connection)
    login = own.login
    defaultRights = own.rights
  }

  /// What an object of ours would grant to whom from the beginning.
  func defaultRights(of item: SchemaItem) -> [String: String] {
    guard let kind = item.fact("acl") else { return [:] }
    return defaultRights["\(kind) \(item.fact("space") ?? "")"] ?? defaultRights["\(kind) "] ?? [:]
  }

  private static func server(_ connection: PostgresConnection, _ wanted: [String]) async throws
    -> (version: Int, schemas: Set<String>)
  {
    let rows = try await connection.query(
      """
      select current_setting('server_version_num')::bigint / 10000,
        array(select nspname::text from pg_namespace where nspname::text = any (\(wanted)::text[]))
      """)
    guard let row = rows.first else { return (0, []) }
    let (version, schemas) = try row.decode(Int.self, [String].self)
    return (version, Set(schemas))
  }

  private static func items(
    _ connection: PostgresConnection, _ wanted: [String], _ excluded: [String]
  ) async throws -> [SchemaItem] {
    let rows = try await connection.query(SchemaSQL.items(schemas: wanted, excluded: excluded))
    return try rows.map { row in
      let (kind, name, parent, make, unmake, facts, classID, object, part) = try row.decode(
        SchemaItem.Kind.self, String.self, String?.self, String.self, String.self, JSON.self, Int.self, Int.self,
        Int.self)
      return SchemaItem(
        kind: kind, name: name, parent: parent, make: make, unmake: unmake, facts: facts,
        address: .init(class: classID, object: object, part: part))
    }
  }

  private static func needs(
    of found: [SchemaItem], items: [String: SchemaItem], children: [String: [String]], _ connection: PostgresConnection
  ) async throws -> [String: Set<String>] {
    var places = [SchemaItem.Address: String]()
    for item in found where item.address.class != 0 { places[item.address] = item.id }
    var needs = [String: Set<String>]()
    for item in found { needs[item.id] = Set(item.plainNeeds(children)).filter { items[$0] != nil } }
    // The columns of a view are no items; who uses one needs the view.
    func item(_ address: SchemaItem.Address) -> String? {
      places[address] ?? places[.init(class: address.class, object: address.object, part: 0)]
    }
    for row in try await connection.query(SchemaSQL.dependencies) {
      let (a, b, c, d, e, f) = try row.decode(Int.self, Int.self, Int.self, Int.self, Int.self, Int.self)
      guard let user = item(.init(class: a, object: b, part: c)), let needed = item(.init(class: d, object: e, part: f))
      else { continue }
      needs[user, default: []].insert(needed)
    }
    for (user, direct) in needs {
      // Whoever needs a part needs the whole, which may change when the part does not.
      for id in direct {
        var whole = items[id]?.parent
        while let id = whole {
          needs[user, default: []].insert(id)
          whole = items[id]?.parent
        }
      }
      needs[user, default: []].remove(user)
    }
    return needs
  }

  private static func ownRights(
    _ connection: PostgresConnection
  ) async throws -> (login: String, rights: [String: [String: String]]) {
    var login = ""
    var rights = [String: [String: String]]()
    for row in try await connection.query(SchemaSQL.defaultRights) {
      let (kind, space, me, grantee, plain, grantable) = try row.decode(
        String.self, String?.self, String.self, String?.self, String.self, String.self)
      login = me
      rights["\(kind) \(space ?? "")", default: [:]][grantee ?? me] = "\(plain)\n\(grantable)"
    }
    return (login, rights)
  }
}

extension SchemaItem {
  /// What it needs as far as its own text says so; the rest is the catalog's to say.
  fileprivate func plainNeeds(_ children: [String: [String]]) -> [String] {
    var needs = [parent, fact("space").map { "schema \($0)" }].compactMap(\.self)
    switch kind {
    case .parent:
      guard let table = fact("table"), let parent else { break }
      let columns = [table, parent].flatMap { children[$0] ?? [] }.filter { $0.hasPrefix("column ") }
      needs += [table] + columns
    case .owningColumn: needs += [fact("column")].compactMap(\.self)
    case .rights: needs += list("columns") ?? []
    case .replicaIdentity: needs += [fact("index")].compactMap(\.self)
    default: break
    }
    return needs
  }
}
