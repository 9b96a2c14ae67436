-- One row per run that can be claimed, now or at ready_at. A claim takes the row away; a lost lease puts it back. So
-- the table stays small however many runs there have been. A row counts only while its run is in the epoch in which it
-- was queued.
create table public.agent_task_queue (
  run_id uuid primary key references public.agent_runs (id) on delete cascade,
  user_id uuid,
  priority smallint not null default 0,
  engine_version integer not null default 1,
  epoch integer not null default 0,
  ready_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp()
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
create index agent_task_queue_order on public.agent_task_queue (priority desc, ready_at);
create index agent_task_queue_of_user on public.agent_task_queue (user_id);

alter table public.agent_task_queue enable row level security;
alter table public.agent_task_queue force row level security;
revoke all on public.agent_task_queue from public, anon, authenticated, service_role;
grant select on public.agent_task_queue to authenticated, service_role;
create policy agent_task_queue_read_own on public.agent_task_queue for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_task_queue_service on public.agent_task_queue to service_role using (true) with check (true);
