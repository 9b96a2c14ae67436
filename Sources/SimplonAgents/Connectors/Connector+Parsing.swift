import FoundationEssentials
package import SimplonCore

extension Connector {
  /// Reads `SIMPLON_CONNECTORS`: a JSON array with an object per connector; `docs/plans.md` lists the fields.
  ///
  /// - Parameter text: the value; an empty one means no connectors.
  /// - Returns: the connectors in the order of the text.
  /// - Throws: `config.invalid`, naming the field and what it may be, and never a value.
  package static func list(parsing text: String) throws(SimplonError) -> [Connector] {
    guard !text.allSatisfy(\.isWhitespace) else { return [] }
    let items: [JSON]?
    do { items = try JSON(parsing: text).array } catch {
      throw SimplonError(.configInvalid, "SIMPLON_CONNECTORS is no JSON that can be read")
    }
    guard let items else { throw SimplonError(.configInvalid, "SIMPLON_CONNECTORS must be a JSON array of objects") }
    var connectors = [Connector]()
    for (index, item) in items.enumerated() {
      let connector = try Connector(item, "SIMPLON_CONNECTORS[\(index)]")
      guard !connectors.contains(where: { $0.name == connector.name }) else {
        throw SimplonError(.configInvalid, "SIMPLON_CONNECTORS has two connectors of the name \"\(connector.name)\"")
      }
      connectors.append(connector)
    }
    return connectors
  }

  private init(_ json: JSON, _ place: String) throws(SimplonError) {
    var fields = try Fields(json, place, code: .configInvalid)
    guard let name = try fields.string("name"), Self.isName(name) else {
      throw fields.wrong("name", "must be small letters, digits, _ and -, 64 at most")
    }
    var users: Set<UUID>?
    if let texts = try fields.strings("users") {
      let read = texts.compactMap { UUID(uuidString: $0) }
      guard read.count == texts.count else { throw fields.wrong("users", "must be an array of UUIDs") }
      users = Set(read)
    }
    let kind: Kind
    switch try fields.string("kind") {
    case "http": kind = .http(try HTTPConnector(&fields))
    case "postgres": kind = .postgres(try PostgresConnector(&fields))
    default: throw fields.wrong("kind", "must be http or postgres")
    }
    try fields.finish()
    self.init(name: name, users: users, kind: kind)
  }
}

extension HTTPConnector {
  fileprivate init(_ fields: inout Fields) throws(SimplonError) {
    guard let base = try fields.string("base_url") else { throw fields.wrong("base_url", "is missing") }
    guard let url = try? EgressURL(base), !url.path.contains("?") else {
      throw fields.wrong("base_url", "must be http://… or https://…, with no login and no query")
    }
    var headers = [(name: String, value: String)]()
    for (name, value) in (try fields.object("headers") ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let value = value.string, HTTPField.isName(name), HTTPField.isValue(value) else {
        throw fields.wrong("headers", "must be an object of names and texts that a header can have")
      }
      headers.append((name.lowercased(), value))
    }
    let methods = try fields.strings("methods") ?? ["GET", "HEAD", "OPTIONS"]
    guard methods.allSatisfy({ HTTPField.methods.contains($0) }) else {
      throw fields.wrong("methods", "must be an array of \(HTTPField.methods.joined(separator: ", "))")
    }
    self.init(
      baseURL: url, headers: headers, methods: Set(methods), allowsPrivate: try fields.bool("allow_private") ?? false)
  }
}

extension PostgresConnector {
  fileprivate init(_ fields: inout Fields) throws(SimplonError) {
    guard let dsn = try fields.string("dsn"),
      dsn.hasPrefix("postgresql://") || dsn.hasPrefix("postgres://") || dsn.contains("=")
    else { throw fields.wrong("dsn", "must be a URI postgresql://… or words such as host=… dbname=…") }
    let isReadOnly = try fields.bool("read_only") ?? true
    let hasEffects = try fields.bool("effects_table") ?? false
    guard !(isReadOnly && hasEffects) else { throw fields.wrong("effects_table", "needs \"read_only\": false") }
    self.init(
      dsn: dsn, isReadOnly: isReadOnly, hasEffects: hasEffects,
      statementTimeout: try fields.duration("statement_timeout", in: .milliseconds(100)...(.seconds(3600)))
        ?? .seconds(10),
      rowLimit: try fields.integer("max_rows", in: 1...10_000) ?? 1000)
  }
}
