import SimplonCore

/// One thing of a schema, with the SQL that makes it and takes it away; the server has quoted all names in it.
struct SchemaItem: Sendable {
  /// What it is; the order is that in which things are made where nothing else decides.
  enum Kind: String, CaseIterable, PostgresDecodable {
    case schema, `extension`, type, domain, sequence, table, column
    case owningColumn = "owning column"
    case `default`, storage, function, procedure, parameters, constraint, index
    /// That a table inherits from another one, or is its partition.
    case parent
    case view
    case materializedView = "materialized view"
    case rule, trigger
    case replicaIdentity = "replica identity"
    case policy
    case rowSecurity = "row security"
    case forcedRowSecurity = "forced row security"
    /// What one role may do with one object.
    case rights
    case comment

    private static let places = Dictionary(uniqueKeysWithValues: zip(allCases, 0...))

    /// Its place among the kinds.
    var place: Int { Self.places[self] ?? 0 }

    /// Whether others are made of it, so that it goes last when it goes.
    var isFoundation: Bool {
      switch self {
      case .schema, .extension, .type, .domain, .sequence, .table, .column: true
      default: false
      }
    }
  }

  /// Where the catalog keeps it: the object ids of the catalog's table and of the row, and the number of a column.
  struct Address: Hashable, Sendable {
    let `class`: Int
    let object: Int
    let part: Int
  }

  let kind: Kind
  /// In full, such as `email of public.people`.
  let name: String
  /// The identity of what it is a part of: gone with it, and made after it.
  let parent: String?
  let make: String
  let unmake: String
  /// What only some kinds have.
  let facts: JSON
  let address: Address

  /// Tells it from all others of its database, and names the same thing in another one.
  var id: String { "\(kind.rawValue) \(name)" }

  /// A fact that is text.
  func fact(_ name: String) -> String? { facts[name]?.string }

  /// A fact that holds or does not.
  func flag(_ name: String) -> Bool { facts[name]?.bool ?? false }

  /// A fact that is a list of texts.
  func list(_ name: String) -> [String]? { facts[name]?.array?.compactMap(\.string) }

  /// A right as it compares: what is granted, without and with the option to grant it on.
  var right: String { "\(fact("plain") ?? "")\n\(fact("grantable") ?? "")" }

  /// The name that no other thing may have at the same time, whatever its kind.
  var claimedName: String? {
    switch kind {
    case .type, .domain, .sequence, .table, .view, .materializedView, .index: name
    case .function, .procedure: "() \(name)"
    case .constraint: fact("index")
    default: nil
    }
  }
}
