extension SchemaSQL {
  /// What needs what, by address; what PostgreSQL keeps apart and nobody sees, such as the rule of a
  /// view, counts as what it is a part of.
  static let dependencies: PostgresQuery = #"""
    with alias (class, object, part, other_class, other_object, other_part) as (
      select 'pg_rewrite'::regclass, w.oid, 0, 'pg_class'::regclass, w.ev_class, 0
      from pg_rewrite w where w.rulename = '_RETURN'
      union all
      select 'pg_attrdef'::regclass, d.oid, 0, 'pg_class'::regclass, d.adrelid, d.adnum
      from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
      where a.attgenerated <> ''
      union all
      select 'pg_type'::regclass, y.oid, 0, 'pg_class'::regclass, c.oid, 0
      from pg_type y join pg_class c on c.oid = y.typrelid and c.relkind <> 'c'
      union all
      select 'pg_class'::regclass, c.oid, 0, 'pg_type'::regclass, c.reltype, 0 from pg_class c where c.relkind = 'c'
      union all
      select 'pg_type'::regclass, y.typarray, 0,
        case when c.oid is null then 'pg_type'::regclass else 'pg_class'::regclass end, coalesce(c.oid, y.oid), 0
      from pg_type y left join pg_class c on c.oid = y.typrelid and c.relkind <> 'c' where y.typarray <> 0
      union all
      select 'pg_class'::regclass, c.conindid, 0, 'pg_constraint'::regclass, c.oid, 0
      from pg_constraint c where c.contype in ('p', 'u', 'x')
      union all
      select 'pg_class'::regclass, d.objid, 0, d.refclassid::regclass, d.refobjid, d.refobjsubid
      from pg_depend d join pg_class c on c.oid = d.objid and c.relkind = 'S'
      where d.classid = 'pg_class'::regclass and d.deptype = 'i'
      union all
      select d.classid::regclass, d.objid, 0, d.refclassid::regclass, d.refobjid, 0 from pg_depend d
      where d.deptype = 'e')
    select distinct coalesce(a.other_class, d.classid)::oid::bigint, coalesce(a.other_object, d.objid)::bigint,
      coalesce(a.other_part, d.objsubid)::bigint, coalesce(b.other_class, d.refclassid)::oid::bigint,
      coalesce(b.other_object, d.refobjid)::bigint, coalesce(b.other_part, d.refobjsubid)::bigint
    from pg_depend d
    left join alias a on a.class = d.classid and a.object = d.objid
    left join alias b on b.class = d.refclassid and b.object = d.refobjid
    where d.deptype in ('n', 'a', 'i') and d.objid >= 16384 and d.refobjid >= 16384
      and not (d.deptype = 'a' and d.classid = 'pg_class'::regclass and exists (
        select from pg_class q where q.oid = d.objid and q.relkind = 'S'))
    """#

  /// The rights that an object gets when the caller makes it: by kind, and by schema where that adds some.
  static let defaultRights: PostgresQuery = #"""
    with kinds (kind) as (values ('r'), ('S'), ('f'), ('T'), ('n')),
    me as (select oid as id from pg_roles where rolname = current_user),
    general as (
      select k.kind, me.id, coalesce(
        (select d.defaclacl from pg_default_acl d
          where d.defaclrole = me.id and d.defaclnamespace = 0 and d.defaclobjtype::text = k.kind),
        acldefault((case k.kind when 'S' then 's' else k.kind end)::"char", me.id)) as acl
      from kinds k, me),
    spaces as (
      select g.kind, null as space, g.id, g.acl from general g
      union all
      select g.kind, quote_ident(n.nspname), g.id, g.acl || d.defaclacl
      from general g join pg_default_acl d on d.defaclrole = g.id and d.defaclobjtype::text = g.kind
      join pg_namespace n on n.oid = d.defaclnamespace),
    rights as (
      select distinct s.kind, s.space, x.grantee, x.privilege_type as privilege, x.is_grantable
      from spaces s, aclexplode(s.acl) x where x.grantee <> s.id)
    select s.kind, s.space, quote_ident(current_user),
      case r.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(r.grantee)) end,
      coalesce(string_agg(r.privilege, ', ' order by r.privilege) filter (where not r.is_grantable), ''),
      coalesce(string_agg(r.privilege, ', ' order by r.privilege) filter (where r.is_grantable), '')
    from spaces s left join rights r on r.kind = s.kind and r.space is not distinct from s.space
    group by s.kind, s.space, r.grantee order by s.kind, s.space, r.grantee
    """#
}
