import SimplonCore
import SimplonIdentity
import SimplonPostgres

extension RunStore {
  /// The ledger's sums per day, user and model.
  func usage(_ query: UsageQuery, as caller: Principal) async throws -> RunPage {
    // The day, who and what of the last item seen.
    var seen: [String?] = [nil, nil, nil]
    if let cursor = query.cursor {
      let place = try Cursor(cursor)
      let parts = place.key.split(separator: "|", omittingEmptySubsequences: false)
      guard place.list == "usage", parts.count == 3, parts.allSatisfy({ $0.utf8.allSatisfy(Self.isPlain) }) else {
        throw Cursor.foreign
      }
      seen = parts.map { String($0) }
    }
    // Days and ids are compared as the text that the cursor has of them, so that no cursor can be misread.
    let page: PostgresQuery = """
      select row_number() over (order by u.day desc, u.owner, u.name) as place,
        u.day::text || '|' || u.owner || '|' || u.name as key,
        json_build_object('day', u.day, 'user_id', nullif(u.owner, ''), 'model', u.model, 'calls', u.calls,
          'input', u.input, 'cache_read', u.cache_read, 'cache_write', u.cache_write,
          'cache_write_hour', u.cache_write_hour, 'output', u.output, 'cost', u.cost, 'reserved', u.reserved,
          'unpriced_calls', u.unpriced)::text as json
      from (
        select day, coalesce(user_id::text, '') as owner, md5(model) as name, model, count(*) as calls,
          coalesce(sum(input), 0) as input, coalesce(sum(cache_read), 0) as cache_read,
          coalesce(sum(cache_write), 0) as cache_write, coalesce(sum(cache_write_hour), 0) as cache_write_hour,
          coalesce(sum(output), 0) as output, coalesce(sum(cost), 0) as cost,
          coalesce(sum(reserved) filter (where state = 'reserved'), 0) as reserved,
          count(*) filter (where reserved is null and state <> 'released') as unpriced
        from agent_model_calls
        where day > (now() at time zone 'UTC')::date - \(query.days ?? (query.hours ?? 24) / 24 + 2)::integer
          and (\(query.days)::bigint is not null
            or created_at > now() - \(query.hours ?? 24)::integer * interval '1 hour')
        group by day, user_id, model) u
      where \(seen[0])::text is null or u.day::text < \(seen[0])::text
        or u.day::text = \(seen[0])::text and (u.owner, u.name) > (\(seen[1])::text, \(seen[2])::text)
      order by u.day desc, u.owner, u.name limit \(query.limit + 1)
      """
    let session = PostgresSession(caller, statementTimeout: statementTimeout)
    return try RunPage(await client.query(RunPage.query(page), as: session), limit: query.limit)
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) || byte == 0x2D
  }
}
