-- One attempt at a task by an agent instance.
create table public.agent_executions (
  id uuid primary key default simplon.uuid_v7(),
  task_id text unique not null,
  run_id uuid references public.agent_runs (id) on delete set null,
  agent_instance_id uuid references public.agent_instances (id),
  agent_type public.agent_type not null,
  task_type text not null,
  input_data jsonb not null default '{}',
  output_data jsonb,
  status public.task_status not null default 'pending',
  quality_score double precision check (quality_score between 0 and 1),
  execution_time_seconds double precision,
  user_id uuid,
  session_id text,
  created_at timestamptz not null default clock_timestamp(),
  completed_at timestamptz
);
create index agent_executions_of_user on public.agent_executions (user_id);
create index agent_executions_of_instance on public.agent_executions (agent_instance_id, created_at desc);
create index agent_executions_of_run on public.agent_executions (run_id) where run_id is not null;

alter table public.agent_executions enable row level security;
alter table public.agent_executions force row level security;
revoke all on public.agent_executions from public, anon, authenticated, service_role;
grant select on public.agent_executions to authenticated;
grant select, insert, update, delete on public.agent_executions to service_role;
create policy agent_executions_read_own on public.agent_executions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_executions_service on public.agent_executions to service_role using (true) with check (true);
