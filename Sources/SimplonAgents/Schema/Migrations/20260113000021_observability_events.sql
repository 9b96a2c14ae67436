-- The audit log: who changed what, through any door. It holds names of fields and never what is in them, and it only
-- grows. A row is its owner's to read, so whoever owns a run sees who stopped it. Partitioned by month, as
-- agent_metrics is.
create table public.observability_events (
  id uuid not null default simplon.uuid_v7(),
  -- Whose row was changed.
  user_id uuid,
  event text not null,
  resource text not null,
  resource_id text not null,
  changed text[] not null default '{}',
  -- Who did it: null is the engine, or somebody at the database itself.
  actor_role text,
  actor_id uuid,
  door text not null default current_setting('application_name'),
  created_at timestamptz not null default clock_timestamp(),
  primary key (id, created_at)
) partition by range (created_at);
create index observability_events_of_user on public.observability_events (user_id, id desc);
create trigger observability_events_append_only before update or delete on public.observability_events
  for each row when (pg_trigger_depth() = 0) execute function simplon.refuse_change();

alter table public.observability_events enable row level security;
alter table public.observability_events force row level security;
revoke all on public.observability_events from public, anon, authenticated, service_role;
grant select on public.observability_events to authenticated, service_role;
create policy observability_events_read_own on public.observability_events for select to authenticated
  using ((select auth.uid()) = user_id);
create policy observability_events_service on public.observability_events for select to service_role using (true);

-- Of runs: that they were made, and what somebody did to them. It costs each run one insert, hence not the words of
-- simplon.audit.
create function simplon.audit_run() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  claims jsonb := auth.jwt();
begin
  insert into public.observability_events (user_id, event, resource, resource_id, changed, actor_role, actor_id)
  values (
    new.user_id,
    case when tg_op = 'INSERT' then 'run.created' when new.status = 'cancelled' then 'run.stopped'
      when new.attempt > old.attempt then 'run.retried' when old.status = 'pending' then 'run.started'
      when old.status in ('failed', 'cancelled') then 'run.resumed' else 'run.changed' end,
    'agent_runs', new.id::text, case when tg_op = 'INSERT' then '{}' else '{status}' end::text[], claims ->> 'role',
    (claims ->> 'sub')::uuid);
  return null;
end $$;
create trigger agent_runs_audit_made after insert on public.agent_runs
  for each row execute function simplon.audit_run();
-- The engine's own sessions carry no claims; that is looked at in the cheapest way, as every run passes by here. What only
-- goes on, since what it waited for is there, was not acted on.
create trigger agent_runs_audit_acted_on after update of status on public.agent_runs
  for each row when (old.status is distinct from new.status and current_setting('request.jwt.claims', true) <> ''
    and not (old.status in ('waiting', 'retrying') and new.status = 'queued'))
  execute function simplon.audit_run();

-- Of other tables. Its arguments: the noun, the table, the column that names a row, and those that change by themselves.
-- In tables of before, whose a row is can be any text.
create function simplon.audit() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  owner text := coalesce(after, before) ->> 'user_id';
  fields text[] := '{}';
begin
  if tg_op = 'UPDATE' then
    fields := array(
      select n.key from jsonb_each(after) n
      where n.value is distinct from before -> n.key and n.key <> all (tg_argv[3:]) order by 1);
    if fields = '{}' then
      return null;
    end if;
  end if;
  insert into public.observability_events (user_id, event, resource, resource_id, changed, actor_role, actor_id)
  values (
    case when owner ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then owner::uuid end,
    tg_argv[0] || case tg_op when 'INSERT' then '.created' when 'UPDATE' then '.changed' else '.deleted' end,
    tg_argv[1], coalesce(after, before) ->> tg_argv[2], fields, auth.role(), auth.uid());
  return null;
end $$;
-- What a trigger does, such as counting, is nobody's change.
create trigger agent_instances_audit after insert or update or delete on public.agent_instances
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('agent', 'agent_instances', 'agent_id', 'last_activity', 'updated_at');
create trigger agent_executions_audit after insert or update or delete on public.agent_executions
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('execution', 'agent_executions', 'task_id', 'counted');
-- Nor is what the engine computes or measures by itself.
create trigger agent_metrics_audit after insert or update or delete on public.agent_metrics
  for each row when (pg_trigger_depth() = 0 and auth.role() is not null)
  execute function simplon.audit('metric', 'agent_metrics', 'id');
create trigger system_health_audit after insert or delete on public.system_health
  for each row when (pg_trigger_depth() = 0 and auth.role() is not null)
  execute function simplon.audit('reading', 'system_health', 'id');

revoke all on function simplon.audit_run(), simplon.audit() from public, anon, authenticated, service_role;
select simplon.make_month_partitions('observability_events');
