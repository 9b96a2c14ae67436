extension SchemaSQL {
  /// What lies on tables, and views.
  static let parts = #"""
    select 'constraint', format('%I on %s', c.conname, r.name), 'table ' || r.name,
      format('alter table %s add constraint %I %s', r.name, c.conname, pg_get_constraintdef(c.oid)),
      format('alter table %s drop constraint %I', r.name, c.conname),
      jsonb_build_object('type', c.contype,
        'validate', format('alter table %s validate constraint %I', r.name, c.conname),
        'index', case when c.contype in ('p', 'u', 'x') then (select r.space || '.' || quote_ident(x.relname)
          from pg_class x where x.oid = c.conindid) end),
      format('constraint %I on %s', c.conname, r.name), 'pg_constraint'::regclass, c.oid, 0, null, null, null, null
    from relations r join pg_constraint c on c.conrelid = r.oid
    where r.kind = 'table' and c.contype in ('p', 'u', 'x', 'c', 'f') and c.conparentid = 0 and c.conislocal
    union all
    select 'index', i.indexrelid::regclass::text, r.kind || ' ' || r.name,
      replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ' || r.name || ' ', ' ON ' || r.name || ' '),
      'drop index ' || i.indexrelid::regclass, jsonb_build_object('broken', not i.indisvalid),
      'index ' || i.indexrelid::regclass, 'pg_class'::regclass, i.indexrelid, 0, null, null, null, null
    from relations r join pg_index i on i.indrelid = r.oid
    where not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)
      and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = r.oid
        and c.contype in ('p', 'u', 'x'))
    union all
    select r.kind, r.name, null,
      concat_ws(' ', 'create', r.kind, r.name, 'with (' || r.options || ')', 'as',
        rtrim(pg_get_viewdef(r.oid), ';'),
        case when r.kind = 'view' then null when r.relispopulated then 'with data' else 'with no data' end),
      format('drop %s %s', r.kind, r.name),
      jsonb_build_object('definer', r.relkind = 'v' and not coalesce((select bool_or(
        case when o like 'security_invoker=%' then split_part(o, '=', 2)::boolean end)
        from unnest(r.reloptions) o), false)),
      r.kind || ' ' || r.name, 'pg_class'::regclass, r.oid, 0,
      r.relowner,
      r.relacl, 'r', r.space
    from relations r where r.kind in ('view', 'materialized view')
    union all
    select 'trigger', format('%I on %s', g.tgname, r.name), r.kind || ' ' || r.name,
      pg_get_triggerdef(g.oid) || case g.tgenabled when 'O' then '' else
        format(E';\nalter table %s %s trigger %I', r.name,
        case g.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end,
        g.tgname) end,
      format('drop trigger %I on %s', g.tgname, r.name), null, format('trigger %I on %s', g.tgname, r.name),
      'pg_trigger'::regclass, g.oid, 0, null, null, null, null
    from relations r join pg_trigger g on g.tgrelid = r.oid and not g.tgisinternal and g.tgparentid = 0
    union all
    select 'rule', format('%I on %s', w.rulename, r.name), r.kind || ' ' || r.name,
      rtrim(pg_get_ruledef(w.oid), ';'),
      format('drop rule %I on %s', w.rulename, r.name), null, format('rule %I on %s', w.rulename, r.name),
      'pg_rewrite'::regclass, w.oid, 0, null, null, null, null
    from relations r join pg_rewrite w on w.ev_class = r.oid and w.rulename <> '_RETURN'
    union all
    select 'policy', format('%I on %s', p.polname, r.name), 'table ' || r.name,
      concat_ws(' ', format('create policy %I on %s as %s for %s to %s', p.polname, r.name,
          case when p.polpermissive then 'permissive' else 'restrictive' end,
          case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
            else 'all' end,
          (select string_agg(case o when 0 then 'public' else quote_ident(pg_get_userbyid(o)) end, ', '
            order by pg_get_userbyid(o)) from unnest(p.polroles) o)),
        'using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
      format('drop policy %I on %s', p.polname, r.name), null, format('policy %I on %s', p.polname, r.name),
      'pg_policy'::regclass, p.oid, 0, null, null, null, null
    from relations r join pg_policy p on p.polrelid = r.oid
    """#
}
