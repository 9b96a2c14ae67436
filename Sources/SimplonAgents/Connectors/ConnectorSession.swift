import SimplonCore
import SimplonPostgres

/// A transaction on a connector's database, in which somebody else's statement runs.
struct ConnectorSession: Sendable {
  /// Rows that are fetched at a time.
  private static let batch = 100
  /// What a write may begin with: what changes rows, and nothing that could end the transaction or the session's limits.
  private static let writing: Set<String> = ["delete", "insert", "merge", "select", "update", "values", "with"]

  let connection: PostgresConnection

  /// Refuses a login that could become somebody else, and bounds the transaction.
  ///
  /// With it something was read, after which PostgreSQL lets nobody make a read-only transaction write.
  ///
  /// - Throws: `tool.connector`.
  /// - Source: `check_transaction_read_only` in PostgreSQL's `variable.c`.
  func check(_ limit: PostgresSession) async throws {
    let rights: PostgresQuery = """
      select r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication
        or r.rolname in ('simplon_api', 'simplon_worker')
        or exists (select from pg_catalog.pg_auth_members m where m.member = r.oid)
      from pg_catalog.pg_roles r where r.rolname = session_user
      """
    let formats: PostgresQuery = """
      select pg_catalog.set_config('TimeZone', 'UTC', true), pg_catalog.set_config('IntervalStyle', 'iso_8601', true),
        pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('extra_float_digits', '1', true)
      """
    let rows = try await connection.transaction([rights, formats], as: limit)
    guard try rows[0].first?.decode(Bool.self) == false else {
      throw SimplonError(
        .toolConnector, "the connector's login has rights that it must not have",
        hint: "Give it a login that is no superuser, bypasses nothing and is a member of no role.")
    }
  }

  /// Runs a statement that reads; a cursor takes no other.
  ///
  /// - Returns: `{columns, rows, row_count, truncated}`.
  func read(_ query: SQLQuery, _ limit: PostgresSession) async throws -> JSON {
    let columns = try await self.columns(of: query)
    guard !columns.isEmpty else {
      throw SimplonError(.toolInput, "the statement gives no columns", hint: "one that writes says `write: true`")
    }
    try await connection.query(
      query.within(
        "declare simplon_rows no scroll cursor for with q(\(Self.names(columns.count))) as materialized (",
        "), \(Self.texts) select \(Self.bounded) from r"))
    var rows = [JSON]()
    var rest = limit
    let end = limit.statementTimeout.map { ContinuousClock.now + $0 }
    while true {
      let count = min(Self.batch, query.rowLimit + 1 - rows.count)
      // One limit for all of them; and what was fetched before may have changed that of what comes after it.
      rest.statementTimeout = end.map { max(.milliseconds(1), $0 - .now) }
      let found = try await connection.query("fetch forward \(unsafeSQL: String(count)) from simplon_rows", as: rest)
      for row in found {
        guard let text = try row.decode(String?.self), rows.count < query.rowLimit else {
          return Self.output(columns, rows, count: rows.count, isTruncated: true)
        }
        rows.append(try Self.row(text, columns.count))
      }
      if found.count < count { return Self.output(columns, rows, count: rows.count, isTruncated: false) }
    }
  }

  /// Runs a statement that writes.
  ///
  /// - Returns: the same; `row_count` is that of the rows that were written.
  func write(_ query: SQLQuery) async throws -> JSON {
    guard Self.writing.contains(query.statement.keyword) else {
      throw SimplonError(
        .toolInput, "a write must be one of \(Self.writing.sorted().joined(separator: ", "))",
        hint: "What changes tables or sessions is for the operator.")
    }
    let columns = try await self.columns(of: query)
    guard !columns.isEmpty else {
      let written = try await connection.query(query.statement)
      guard !written.tag.hasPrefix("SELECT") else {  // What SELECT INTO has made is undone.
        throw SimplonError(.toolInput, "the statement makes a table, or gives no columns")
      }
      return Self.output([], [], count: written.affectedRows, isTruncated: false)
    }
    let found = try await connection.query(
      query.within(
        "with q(\(Self.names(columns.count))) as (",
        "), \(Self.texts) select pg_catalog.count(*) over (), \(Self.bounded) from r limit \(query.rowLimit)"))
    var rows = [JSON]()
    var count = 0
    for row in found {
      let (all, text) = try row.decode(Int.self, String?.self)
      count = all
      if let text { rows.append(try Self.row(text, columns.count)) }
    }
    return Self.output(columns, rows, count: count, isTruncated: rows.count < count)
  }

  /// What the server says that the statement gives, without running it; it reads all of the text for that, so that one
  /// which is no single whole statement ends here.
  private func columns(of query: SQLQuery) async throws -> [JSON] {
    let described = try await connection.query(query.statement.described)
    let oids = described.columnTypes.map { Int($0.oid) }
    let known = try await connection.query(
      """
      select oid::bigint, pg_catalog.format_type(oid, null)::text from pg_catalog.pg_type
      where oid::bigint = any(\(oids))
      """)
    var types = [Int: String]()
    for row in known {
      let (oid, name) = try row.decode(Int.self, String.self)
      types[oid] = name
    }
    return zip(described.columns, oids).map { name, oid in
      ["name": .string(name), "type": .string(types[oid] ?? "unknown")]
    }
  }

  /// Each row as the text of a JSON object.
  private static let texts = "r as (select pg_catalog.row_to_json(q)::text as j from q)"

  /// A row's text as long as all texts so far are within the limit, else null: so no more than that is ever sent to us.
  private static let bounded = """
    case when pg_catalog.sum(pg_catalog.octet_length(j)) over (rows unbounded preceding) <= \(SQLTool.byteLimit)
      then j end
    """

  /// Names of our own for columns: theirs need not be unique.
  private static func names(_ count: Int) -> String { (1...count).map { "c\($0)" }.joined(separator: ", ") }

  private static func row(_ text: String, _ count: Int) throws(SimplonError) -> JSON {
    do {
      let members = try JSON(parsing: text, depth: SizeLimit.levels - 4)
      return .array((1...count).map { members["c\($0)"] ?? .null })
    } catch {
      throw SimplonError(
        .toolFailed, "a row holds JSON that cannot be handed on", hint: "cast its column to text", cause: error)
    }
  }

  private static func output(_ columns: [JSON], _ rows: [JSON], count: Int, isTruncated: Bool) -> JSON {
    [
      "columns": .array(columns), "rows": .array(rows), "row_count": .integer(count), "truncated": .bool(isTruncated),
    ]
  }
}
