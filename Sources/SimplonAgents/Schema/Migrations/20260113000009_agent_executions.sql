-- One attempt at a task by an agent instance: the engine's follow their runs, others are reported by who does them.
create table public.agent_executions (
  id uuid primary key default simplon.uuid_v7(),
  task_id text unique not null,
  run_id uuid references public.agent_runs (id) on delete set null,
  agent_instance_id uuid references public.agent_instances (id),
  agent_type public.agent_type not null,
  task_type text not null,
  input_data jsonb not null default '{}',
  output_data jsonb,
  error jsonb,
  status public.task_status not null default 'pending',
  quality_score double precision check (quality_score between 0 and 1),
  execution_time_seconds double precision check (execution_time_seconds between 0 and 1e9),
  user_id uuid,
  session_id text,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  completed_at timestamptz,
  -- The status that the instance's totals know of.
  counted public.task_status
);
create index agent_executions_of_user on public.agent_executions (user_id, id desc);
create index agent_executions_of_instance on public.agent_executions (agent_instance_id, id desc);
create index agent_executions_of_run on public.agent_executions (run_id) where run_id is not null;
create index agent_executions_running on public.agent_executions (agent_instance_id, id desc) where status = 'running';
create index agent_executions_ended on public.agent_executions (completed_at) where completed_at is not null;
create index agent_executions_uncounted on public.agent_executions (agent_instance_id)
  where agent_instance_id is not null and counted is distinct from status;

-- The totals and the current task of instances follow their executions, whoever writes these. It runs at the commit and
-- takes at once, in the order of the instances, all that the transaction has written (what others wrote is counted or
-- not to be seen): so two batches of runs that end never wait for each other in a circle.
create function simplon.count_executions() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off
as $$
begin
  perform from public.agent_instances i where i.id in (
    select e.agent_instance_id from public.agent_executions e
    where e.agent_instance_id is not null and e.counted is distinct from e.status)
  order by i.id for no key update;
  with known as (
    update public.agent_executions e set counted = e.status from public.agent_executions o
    where o.id = e.id and o.agent_instance_id is not null and o.counted is distinct from o.status
    returning e.agent_instance_id as instance, o.counted as before, e.status as now),
  change as (
    select k.instance,
      count(*) filter (where k.now = 'completed') - count(*) filter (where k.before = 'completed') as completed,
      count(*) filter (where k.now = 'failed') - count(*) filter (where k.before = 'failed') as failed
    from known k group by k.instance)
  update public.agent_instances i set
    total_tasks_completed = i.total_tasks_completed + c.completed,
    total_tasks_failed = i.total_tasks_failed + c.failed,
    current_task_id = (
      -- The name of a task is its owner's word; who sees the agent sees only that of the agent's own owner, or of nobody.
      select e.task_id from public.agent_executions e where e.agent_instance_id = i.id and e.status = 'running'
        and (e.user_id is null or e.user_id = i.user_id)
      order by e.id desc limit 1),
    status = case i.status when 'offline' then 'idle' else i.status end,
    last_activity = clock_timestamp(), updated_at = clock_timestamp()
  from change c where i.id = c.instance;
  return null;
end $$;
create constraint trigger agent_executions_count after insert or update of status on public.agent_executions
  deferrable initially deferred for each row when (new.agent_instance_id is not null)
  execute function simplon.count_executions();
revoke all on function simplon.count_executions() from public, anon, authenticated, service_role;

alter table public.agent_executions enable row level security;
alter table public.agent_executions force row level security;
revoke all on public.agent_executions from public, anon, authenticated, service_role;
grant select on public.agent_executions to authenticated;
grant select, insert, update, delete on public.agent_executions to service_role;
create policy agent_executions_read_own on public.agent_executions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_executions_service on public.agent_executions to service_role using (true) with check (true);
