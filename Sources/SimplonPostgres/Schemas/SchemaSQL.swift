/// The queries that read a database's schemas, each for all objects at once.
///
/// Every name in what they answer is quoted by the server; the search path has to be empty, so that it is full too.
enum SchemaSQL {
  /// All objects: kind, name, parent, how to make and to take it away, facts that only some kinds have, address.
  ///
  /// - Parameters:
  ///   - schemas: the schemas to read; empty for all but the excluded.
  ///   - excluded: what is left out when no schema is named.
  /// - Returns: the query.
  static func items(schemas: [String], excluded: [String]) -> PostgresQuery {
    #"""
    with choice as (select cardinality(\#(schemas)::text[]) = 0 as everything),
    spaces as (
      select oid, quote_ident(nspname) as name, nspowner as owner, nspacl as acl
      from pg_namespace
      where case when (select everything from choice)
        then nspname::text <> all (\#(excluded)::text[] || '{information_schema}') and nspname not like 'pg\_%'
        else nspname::text = any (\#(schemas)::text[]) end),
    extended as (select classid, objid from pg_depend where deptype = 'e'),
    relations as (
      select c.oid, c.relname, c.relkind, c.relpersistence, c.reloptions, c.relowner, c.relacl, c.relrowsecurity,
        c.relforcerowsecurity, c.relreplident, c.relispartition, c.relpartbound, c.relispopulated, c.reltype,
        s.name as space, s.name || '.' || quote_ident(c.relname) as name,
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
          else 'table' end as kind,
        (select string_agg(format('%I=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ' order by o)
          from unnest(c.reloptions) o) as options
      from pg_class c join spaces s on s.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relpersistence <> 't'
        and not exists (select from extended e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
        and not exists (
          select from pg_depend d where c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid
          and d.deptype = 'i')),
    columns as (
      select r.oid as relation, r.name as "table", r.relispartition, quote_ident(a.attname) as name, a.attnum,
        a.attnotnull, a.attidentity, a.attgenerated, a.attislocal, a.attinhcount > 0 as inherited, a.attname,
        a.attstorage, y.typstorage, format_type(a.atttypid, a.atttypmod) as type, format_type(a.atttypid, -1) as base,
        a.atttypmod as modifier, pg_get_expr(d.adbin, d.adrelid) as expression, d.oid as "default",
        case when a.attcollation <> y.typcollation then
          (select format('%I.%I', n.nspname, l.collname) from pg_collation l
            join pg_namespace n on n.oid = l.collnamespace
            where l.oid = a.attcollation) end as "collation"
      from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      join pg_type y on y.oid = a.atttypid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where r.kind = 'table'),
    identities as (
      select d.refobjid as relation, d.refobjsubid as attnum, q.seqincrement as step,
        format('start with %s increment by %s minvalue %s maxvalue %s cache %s %s', q.seqstart, q.seqincrement,
          q.seqmin, q.seqmax, q.seqcache, case when q.seqcycle then 'cycle' else 'no cycle' end) as options,
        (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.oid = q.seqrelid) as sequence,
        format('set start with %s set increment by %s set minvalue %s set maxvalue %s set cache %s set %s',
          q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
          case when q.seqcycle then 'cycle' else 'no cycle' end) as settings
      from pg_sequence q join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = q.seqrelid
        and d.refclassid = 'pg_class'::regclass and d.deptype = 'i'),
    items (kind, name, parent, make, unmake, facts, target, class, object, part, owner, acl, aclkind, space) as (
    \#(unsafeSQL: types)
    union all
    \#(unsafeSQL: tables)
    union all
    \#(unsafeSQL: parts)),
    \#(unsafeSQL: rights)
    """#
  }

  /// The rights on objects by grantee, and all rows together.
  private static let rights = #"""
    rights as (
      select i.kind || ' ' || i.name as whole,
        case i.aclkind when 'r' then 'table ' || i.name else i.target end as target,
        x.grantee, x.privilege_type as right_, null as "column", x.is_grantable
      from items i, aclexplode(coalesce(i.acl, acldefault((case i.aclkind when 'S' then 's' else i.aclkind end)::"char",
        i.owner))) x
      where i.aclkind is not null and x.grantee <> i.owner
      union all
      select 'table ' || c."table", 'table ' || c."table", x.grantee, x.privilege_type, c.name, x.is_grantable
      from columns c join relations r on r.oid = c.relation
      join pg_attribute a on a.attrelid = c.relation and a.attnum = c.attnum, aclexplode(a.attacl) x
      where a.attacl is not null and x.grantee <> r.relowner),
    grants as (
      select whole, target, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as name,
        string_agg(right_ || coalesce(' (' || "column" || ')', ''), ', ' order by right_, "column")
          filter (where not is_grantable) as plain,
        string_agg(right_ || coalesce(' (' || "column" || ')', ''), ', ' order by right_, "column")
          filter (where is_grantable) as grantable,
        jsonb_agg(distinct format('column %s of %s', "column", substr(whole, 7)))
          filter (where "column" is not null) as columns
      from rights group by whole, target, grantee)
    select kind, name, parent, make, unmake,
      facts || jsonb_strip_nulls(jsonb_build_object('space', space, 'acl', aclkind,
        'on', case aclkind when 'r' then 'table ' || name else target end,
        'owner', case when owner is not null then quote_ident(pg_get_userbyid(owner)) end)),
      class::oid::bigint, object::bigint, part::bigint
    from (
      select kind, name, parent, make, unmake, coalesce(facts, '{}') as facts, target, space, aclkind, owner, class,
        object, part
      from items
      union all
      select 'comment', 'on ' || i.target, i.kind || ' ' || i.name,
        format('comment on %s is %L', i.target, d.description), format('comment on %s is null', i.target), '{}',
        null, null, null, null, 0, 0, 0
      from items i join pg_description d on d.classoid = i.class and d.objoid = i.object and d.objsubid = i.part
      where i.target is not null
      union all
      select 'rights', format('of %s on %s', name, target), whole,
        concat_ws(E';\n', 'grant ' || plain || format(' on %s to %s', target, name),
          'grant ' || grantable || format(' on %s to %s with grant option', target, name)),
        format('revoke all on %s from %s', target, name),
        jsonb_build_object('grantee', name, 'plain', coalesce(plain, ''), 'grantable', coalesce(grantable, ''),
          'columns', coalesce(columns, '[]')), null, null, null, null, 0, 0, 0
      from grants) found
    order by kind collate "C", name collate "C"
    """#
}
