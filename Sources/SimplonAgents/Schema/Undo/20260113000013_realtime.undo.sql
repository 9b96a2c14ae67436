-- The publication stays: it may be Supabase's own.
do $$
declare
  published regclass;
begin
  for published in
    select x.prrelid from pg_publication_rel x join pg_publication p on p.oid = x.prpubid
    where p.pubname = 'supabase_realtime' and pg_has_role(current_user, p.pubowner, 'usage')
      and x.prrelid in ('public.agent_runs'::regclass, 'public.agent_steps'::regclass,
        'public.agent_messages'::regclass, 'public.agent_artifacts'::regclass, 'public.agent_instances'::regclass,
        'public.agent_executions'::regclass, 'public.system_health'::regclass)
  loop
    execute format('alter publication supabase_realtime drop table %s', published);
  end loop;
end $$;
