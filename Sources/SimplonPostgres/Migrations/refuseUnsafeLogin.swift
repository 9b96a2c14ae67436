import SimplonCore

/// Refuses to serve callers with a login that row level security does not bind: a superuser, one with BYPASSRLS, or the
/// owner of a table of the agents.
///
/// - Parameters:
///   - client: connected as the login that is to serve callers.
///   - schema: the schema of the contract tables.
/// - Throws: `database.role`.
package func refuseUnsafeLogin(client: PostgresClient, schema: String = "public") async throws {
  let rows = try await client.query(
    """
    select r.rolname::text, r.rolsuper, r.rolbypassrls, (
      select c.oid::regclass::text from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relowner = r.oid and c.relkind in ('r', 'p') and n.nspname in (\(schema), 'simplon') limit 1)
    from pg_catalog.pg_roles r where r.rolname = session_user
    """)
  guard let row = rows.first else { return }
  let (name, isSuperuser, bypasses, table) = try row.decode(String.self, Bool.self, Bool.self, String?.self)
  let right: String
  if isSuperuser {
    right = "is a superuser"
  } else if bypasses {
    right = "has BYPASSRLS"
  } else if let table {
    right = "owns the table \(table)"
  } else {
    return
  }
  throw SimplonError(
    .databaseRole, "the login \(name) \(right), so row level security would not protect one user from another",
    hint: "Connect as simplon_api, which simplon db push makes.")
}
