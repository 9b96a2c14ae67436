-- Registered agents, shared by all signed-in users: they read, the service writes.
create table public.agent_instances (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid,
  agent_id text unique not null,
  agent_type public.agent_type not null,
  status public.agent_status not null default 'initializing',
  configuration jsonb not null default '{}',
  resource_limits jsonb not null default '{}',
  performance_thresholds jsonb not null default '{}',
  current_task_id text,
  last_activity timestamptz not null default clock_timestamp(),
  total_tasks_completed integer not null default 0,
  total_tasks_failed integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 70);
-- For whoever looks for the silent ones.
create index agent_instances_by_activity on public.agent_instances (last_activity) where status <> 'offline';

alter table public.agent_instances enable row level security;
alter table public.agent_instances force row level security;
revoke all on public.agent_instances from public, anon, authenticated, service_role;
grant select on public.agent_instances to authenticated;
grant select, insert, update, delete on public.agent_instances to service_role;
create policy agent_instances_read on public.agent_instances for select to authenticated
  using (user_id is null or (select auth.uid()) = user_id);
create policy agent_instances_service on public.agent_instances to service_role using (true) with check (true);
