import SimplonPostgres

/// A page of a list: as many items as were asked for, or fewer where they are large.
struct RunPage: Sendable {
  /// The items as JSON text.
  let items: [String]
  /// The last item's key, when there are more after it.
  let next: String?

  /// Cuts the rows of a query that gives `key` and `json` as text and its own order as `place`: at 8 MiB, but for an item
  /// that is larger by itself.
  ///
  /// `found` counts what was asked for, one more than the limit: more rows than are shown mean that there is a next page.
  static func query(_ rows: PostgresQuery) -> PostgresQuery {
    rows.wrapped(
      """
      select key, json, found from (
        select *, count(*) over () as found, sum(octet_length(json)) over (order by place) as bytes,
          row_number() over (order by place) as number
        from (
      """,
      """
        ) as item) as page
      where number = 1 or bytes <= 8388608 order by place
      """)
  }

  /// Reads what the query gave, which was asked for one row more than the limit.
  init(_ rows: PostgresRows, limit: Int) throws {
    var found: Int64 = 0
    var shown: [(key: String, json: String)] = []
    for row in rows.prefix(limit) {
      let (key, json, count) = try row.decode(String.self, String.self, Int64.self)
      shown.append((key, json))
      found = count
    }
    items = shown.map(\.json)
    next = found > shown.count ? shown.last?.key : nil
  }

  /// The page as JSON text; `items` and the cursor carry these names.
  func json(_ name: String, of list: String) -> String {
    let cursor = next.map { "\"\(Cursor(list: list, key: $0).text)\"" }
    return "{\"\(name)\":[\(items.joined(separator: ","))],\"next_cursor\":\(cursor ?? "null")}"
  }
}
