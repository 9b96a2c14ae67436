extension SchemaSQL {
  /// What stands by itself, and the columns that own sequences.
  static let types = #"""
    select 'schema', s.name, null, 'create schema ' || s.name, 'drop schema ' || s.name, null::jsonb,
      'schema ' || s.name, 'pg_namespace'::regclass, s.oid, 0, s.owner, s.acl, 'n', null
    from spaces s
    union all
    select 'extension', quote_ident(x.extname), null,
      format('create extension %I with schema %I', x.extname, n.nspname), format('drop extension %I', x.extname),
      jsonb_build_object('set', format('alter extension %I set schema %I', x.extname, n.nspname)), null,
      'pg_extension'::regclass, x.oid, 0, null, null, null, quote_ident(n.nspname)
    from pg_extension x join pg_namespace n on n.oid = x.extnamespace
    where n.nspname = 'extensions' and (select everything from choice) or n.oid in (select oid from spaces)
    union all
    select 'type', y.oid::regtype::text, null,
      case y.typtype when 'e' then format('create type %s as enum (%s)', y.oid::regtype,
          (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e
            where e.enumtypid = y.oid))
        else format('create type %s as (%s)', y.oid::regtype,
          (select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) ||
              coalesce(' collate ' || (select format('%I.%I', m.nspname, l.collname) from pg_collation l
                join pg_namespace m on m.oid = l.collnamespace
                where l.oid = a.attcollation and a.attcollation <> t.typcollation), ''), ', ' order by a.attnum)
            from pg_attribute a join pg_type t on t.oid = a.atttypid
            where a.attrelid = y.typrelid and a.attnum > 0 and not a.attisdropped)) end,
      'drop type ' || y.oid::regtype,
      case y.typtype when 'e' then jsonb_build_object('labels', coalesce(
        (select jsonb_agg(quote_literal(e.enumlabel) order by e.enumsortorder) from pg_enum e
          where e.enumtypid = y.oid),
        '[]'),
        'old', quote_ident(left(y.typname, 54) || '_replaced'), 'moved', s.name || '.' ||
        quote_ident(left(y.typname, 54) || '_replaced')) end,
      'type ' || y.oid::regtype, 'pg_type'::regclass, y.oid, 0, y.typowner, y.typacl, 'T', s.name
    from pg_type y join spaces s on s.oid = y.typnamespace left join pg_class c on c.oid = y.typrelid
    where (y.typtype = 'e' or c.relkind = 'c')
      and not exists (select from extended e where e.classid = 'pg_type'::regclass and e.objid = y.oid)
    union all
    select 'domain', y.oid::regtype::text, null,
      concat_ws(' ', 'create domain', y.oid::regtype, 'as', format_type(y.typbasetype, y.typtypmod),
        'collate ' || (select format('%I.%I', m.nspname, l.collname) from pg_collation l
          join pg_namespace m on m.oid = l.collnamespace join pg_type b on b.oid = y.typbasetype
          where l.oid = y.typcollation and l.oid <> b.typcollation),
        'default ' || y.typdefault, case when y.typnotnull then 'not null' end),
      'drop domain ' || y.oid::regtype,
      jsonb_build_object('base', format_type(y.typbasetype, y.typtypmod) || ' ' || y.typcollation::regcollation,
        'default', y.typdefault, 'notnull', y.typnotnull),
      'domain ' || y.oid::regtype, 'pg_type'::regclass, y.oid, 0, y.typowner, y.typacl, 'T', s.name
    from pg_type y join spaces s on s.oid = y.typnamespace
    where y.typtype = 'd'
      and not exists (select from extended e where e.classid = 'pg_type'::regclass and e.objid = y.oid)
    union all
    select 'constraint', format('%I on domain %s', c.conname, y.oid::regtype), 'domain ' || y.oid::regtype,
      format('alter domain %s add constraint %I %s', y.oid::regtype, c.conname, pg_get_constraintdef(c.oid)),
      format('alter domain %s drop constraint %I', y.oid::regtype, c.conname),
      jsonb_build_object('validate', format('alter domain %s validate constraint %I', y.oid::regtype, c.conname)),
      format('constraint %I on domain %s', c.conname, y.oid::regtype), 'pg_constraint'::regclass, c.oid, 0,
      null, null, null, null
    from pg_constraint c join pg_type y on y.oid = c.contypid join spaces s on s.oid = y.typnamespace
    where c.contype = 'c' and not exists (
      select from extended e where e.classid = 'pg_type'::regclass and e.objid = y.oid)
    union all
    select 'sequence', r.name, null,
      format('create sequence %s as %s start with %s increment by %s minvalue %s maxvalue %s cache %s %s', r.name,
        format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
        case when q.seqcycle then 'cycle' else 'no cycle' end),
      'drop sequence ' || r.name,
      jsonb_build_object('set', format(
        'alter sequence %s as %s start with %s increment by %s minvalue %s maxvalue %s cache %s %s', r.name,
        format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
        case when q.seqcycle then 'cycle' else 'no cycle' end)),
      'sequence ' || r.name, 'pg_class'::regclass, r.oid, 0, r.relowner, r.relacl, 'S', r.space
    from relations r join pg_sequence q on q.seqrelid = r.oid
    union all
    select 'owning column', 'of sequence ' || r.name, 'sequence ' || r.name,
      format('alter sequence %s owned by %s.%s', r.name, c."table", c.name),
      format('alter sequence %s owned by none', r.name),
      jsonb_build_object('column', format('column %s of %s', c.name, c."table")), null, 0, 0, 0, null, null, null,
      null
    from relations r join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype = 'a'
      and d.refclassid = 'pg_class'::regclass
    join columns c on c.relation = d.refobjid and c.attnum = d.refobjsubid
    where r.relkind = 'S'
    union all
    select case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text, null,
      rtrim(pg_get_functiondef(p.oid), E'\n'),
      format('drop %s %s', case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure),
      jsonb_build_object('signature', concat_ws(' ', p.prokind::text, pg_get_function_arguments(p.oid),
        pg_get_function_result(p.oid)), 'definer', p.prosecdef),
      case p.prokind when 'p' then 'procedure ' else 'function ' end || p.oid::regprocedure, 'pg_proc'::regclass,
      p.oid, 0, p.proowner, p.proacl, 'f', s.name
    from pg_proc p join spaces s on s.oid = p.pronamespace
    where p.prokind <> 'a' and not exists (
      select from extended e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
    """#
}
