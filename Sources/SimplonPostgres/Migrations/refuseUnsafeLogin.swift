import SimplonCore

/// Refuses to serve callers with a login that row level security does not bind: a superuser, one with BYPASSRLS, the
/// owner of a table of the agents, or one that may become a superuser or such an owner.
///
/// - Parameters:
///   - client: connected as the login that is to serve callers.
///   - schema: the schema of the contract tables.
/// - Throws: `database.role`.
package func refuseUnsafeLogin(client: PostgresClient, schema: String = "public") async throws {
  let rows = try await client.query(
    """
    select r.rolname::text, (
      select s.rolname::text from pg_catalog.pg_roles s
      where s.rolsuper and pg_catalog.pg_has_role(r.oid, s.oid, 'member') order by s.oid <> r.oid limit 1),
    r.rolbypassrls, (
      select c.oid::regclass::text from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where pg_catalog.pg_has_role(r.oid, c.relowner, 'member') and c.relkind in ('r', 'p')
        and n.nspname in (\(schema), 'simplon') limit 1)
    from pg_catalog.pg_roles r where r.rolname = session_user
    """)
  guard let row = rows.first else {
    throw SimplonError(.databaseRole, "the rights of the login are unknown: it is not among the database's roles")
  }
  let (name, superuser, bypasses, table) = try row.decode(String.self, String?.self, Bool.self, String?.self)
  let right: String
  if let superuser {
    right = "is, or may become, the superuser \(superuser)"
  } else if bypasses {
    right = "has BYPASSRLS"
  } else if let table {
    right = "owns, or may become the owner of, the table \(table)"
  } else {
    return
  }
  throw SimplonError(
    .databaseRole, "the login \(name) \(right), so row level security would not protect one user from another",
    hint: "Connect as simplon_api, which simplon db push makes.")
}
