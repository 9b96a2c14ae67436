-- What Supabase Realtime may send to browsers: the tables that change while somebody looks on. Not the queue, nor the
-- events, which have a stream of their own, nor what lies in simplon. Elsewhere a publication that nobody reads costs nothing.
do $$
declare
  published regclass;
begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    if not has_database_privilege(current_database(), 'create') then
      raise notice 'the publication supabase_realtime was not made: % may not create one', current_user;
      return;
    end if;
    create publication supabase_realtime;
  end if;
  -- One of all tables needs nothing, and somebody else's is not ours to change.
  if (select p.puballtables or not pg_has_role(current_user, p.pubowner, 'usage') from pg_publication p
      where p.pubname = 'supabase_realtime') then
    return;
  end if;
  foreach published in array array['public.agent_runs', 'public.agent_steps', 'public.agent_messages',
    'public.agent_artifacts', 'public.agent_instances', 'public.agent_executions', 'public.system_health']::regclass[]
  loop
    continue when exists (
      select from pg_publication_rel x join pg_publication p on p.oid = x.prpubid
      where p.pubname = 'supabase_realtime' and x.prrelid = published);
    execute format('alter publication supabase_realtime add table %s', published);
  end loop;
end $$;
