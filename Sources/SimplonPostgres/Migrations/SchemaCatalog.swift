import SimplonCore

/// What a database's catalog says of the tables, functions and types in two schemas, as text that can be compared.
struct SchemaCatalog {
  /// One thing, such as a column, a policy or a right.
  struct Item {
    /// The kind and the full name.
    let name: String
    /// The table, function or type that it is a part of; its own name when it is one of these.
    let whole: String
    /// Everything else that the catalog holds of it.
    let definition: String
  }

  let items: [Item]

  /// Reads the catalog; the search path is empty until the end of the transaction, so that all names are full ones.
  ///
  /// Partitions come and go with time: each counts as "the partition" of its table, by what guards its rows.
  ///
  /// - Parameters:
  ///   - connection: in a transaction.
  ///   - contract: the schema that stands for the contract tables', whose name is `schema` in what is read.
  ///   - internals: the schema that stands for `simplon`.
  ///   - schema: the schema of the contract tables.
  /// - Throws: like a query.
  init(_ connection: PostgresConnection, contract: String, internals: String, as schema: String) async throws {
    try await connection.execute(unsafeSQL: "set local search_path = ''")
    let rows = try await connection.query(
      """
      with spaces as (
        select oid, nspname::text as name from pg_namespace where nspname in (\(contract), \(internals))),
      -- The whole is made by one owner; only what strays from it is worth a word.
      maker as (
        select coalesce(
          (select relowner from pg_class where oid = to_regclass(format('%I.schema_migrations', \(internals)::text))),
          (select oid from pg_roles where rolname = current_user)) as id),
      callers as (
        select 0::oid as id, 'public' as name union all
        select oid, rolname::text from pg_roles where rolname in
          ('anon', 'authenticated', 'service_role', 'authenticator', 'simplon_api', 'simplon_worker')),
      relations as (
        select c.*, coalesce('the partition of ' || i.inhparent::regclass,
          case c.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || s.name || '.' || c.relname
        ) as whole
        from pg_class c join spaces s on s.oid = c.relnamespace
        left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
        where c.relkind in ('r', 'p', 'v', 'S')),
      functions as (
        select p.*, 'function ' || p.oid::regprocedure as whole
        from pg_proc p join spaces s on s.oid = p.pronamespace where p.prokind <> 'a'),
      types as (
        select y.oid, 'type ' || s.name || '.' || y.typname as whole
        from pg_type y join spaces s on s.oid = y.typnamespace where y.typtype = 'e')
      select whole as name, whole, concat_ws(' ', pg_get_partkeydef(oid),
        case relkind when 'v' then array_to_string(reloptions, ' ') || ' ' || pg_get_viewdef(oid) end,
        (select 'owned by ' || relowner::regrole from maker where id <> relowner)) as definition
      from relations
      union all
      select 'row level security of ' || whole, whole, format('enabled %s, forced %s', relrowsecurity, relforcerowsecurity)
      from relations where relkind in ('r', 'p')
      union all
      select format('column %s of %s', a.attname, r.whole), r.whole, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' end, nullif(a.attgenerated, ''), nullif(a.attidentity, ''),
        pg_get_expr(d.adbin, d.adrelid))
      from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
      where r.relkind <> 'S' and not r.relispartition
      union all
      select format('constraint %s of %s', c.conname, r.whole), r.whole,
        concat_ws(' ', pg_get_constraintdef(c.oid), case when not c.convalidated then 'not valid' end)
      from relations r join pg_constraint c on c.conrelid = r.oid
      where c.contype in ('c', 'f', 'p', 'u', 'x') and c.conparentid = 0 and not r.relispartition
      union all
      select 'index ' || i.indexrelid::regclass, r.whole, pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
      from relations r join pg_index i on i.indrelid = r.oid
      where not r.relispartition and not exists (
        select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = r.oid)
      union all
      select format('trigger %s of %s', g.tgname, r.whole), r.whole, pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text
      from relations r join pg_trigger g on g.tgrelid = r.oid and not g.tgisinternal and g.tgparentid = 0
      union all
      select format('policy %s of %s', p.polname, r.whole), r.whole, format('%s for %s to %s using %s check %s',
        p.polpermissive, p.polcmd, p.polroles::regrole[],
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
      from relations r join pg_policy p on p.polrelid = r.oid
      union all
      select whole, whole, concat_ws(' ', pg_get_functiondef(oid),
        (select 'owned by ' || proowner::regrole from maker where id <> proowner))
      from functions
      union all
      select whole, whole, '' from types
      union all
      select format('value %s of %s', e.enumlabel, y.whole), y.whole, ''
      from types y join pg_enum e on e.enumtypid = y.oid
      union all
      select format('right of %s to %s %s', c.name, lower(g.privilege_type), o.part), o.whole, g.is_grantable::text
      from (
        select whole, whole as part, relowner as owner,
          coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as rights
        from relations
        union all
        select r.whole, format('column %s of %s', a.attname, r.whole), r.relowner, a.attacl
        from relations r join pg_attribute a on a.attrelid = r.oid and a.attacl is not null
        union all
        select whole, whole, proowner, coalesce(proacl, acldefault('f', proowner)) from functions
      ) o, aclexplode(o.rights) g, callers c
      where c.id = g.grantee and g.grantee <> o.owner
      """)
    // The texts that were moved to other schemas are read as if they had not been, and quotes make no difference.
    func plain(_ text: String) -> String {
      [(internals, "simplon"), (contract, schema)].reduce(text) { text, names in
        text.replacing("\"\(names.0)\".", with: "\(names.1).").replacing("\(names.0).", with: "\(names.1).")
      }
    }
    items = try rows.map { row in
      let (name, whole, definition) = try row.decode(String.self, String.self, String.self)
      return Item(name: plain(name), whole: plain(whole), definition: plain(definition))
    }
  }

  /// How this catalog differs from another one, as far as it matters to what the other one is of.
  ///
  /// More tables, functions, columns, indexes and values of types than it has make no difference.
  ///
  /// - Returns: sentences, in order.
  func differences(from expected: SchemaCatalog) -> [String] {
    // Of a name's partitions each has to be like the others, hence sets.
    func definitions(_ items: [Item]) -> [String: Set<String>] {
      items.reduce(into: [:]) { $0[$1.name, default: []].insert($1.definition) }
    }
    let (actual, wanted) = (definitions(items), definitions(expected.items))
    var sentences = Set<String>()
    for item in expected.items {
      if let found = actual[item.name] {
        if found != wanted[item.name] { sentences.insert("\(item.name) has changed") }
      } else if item.name == item.whole || actual[item.whole] != nil {
        sentences.insert("\(item.name) is missing")
      }
    }
    for item in items where wanted[item.name] == nil && wanted[item.whole] != nil {
      guard !["column ", "index ", "value "].contains(where: item.name.hasPrefix) else { continue }
      sentences.insert("\(item.name) is not ours")
    }
    return sentences.sorted()
  }
}
