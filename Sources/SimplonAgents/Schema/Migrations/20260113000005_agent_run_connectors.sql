-- Data sources that a run was limited to, by name: a row for each name in agent_runs.connectors, made with the run. What
-- a connector is, and its secret, are configuration, never a row; so are the rights there, which these do not widen.
create table public.agent_run_connectors (
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  name text not null,
  user_id uuid,
  rights text[] not null default '{read,write}',
  created_at timestamptz not null default clock_timestamp(),
  primary key (run_id, name)
);
create index agent_run_connectors_of_user on public.agent_run_connectors (user_id);

alter table public.agent_run_connectors enable row level security;
alter table public.agent_run_connectors force row level security;
revoke all on public.agent_run_connectors from public, anon, authenticated, service_role;
grant select on public.agent_run_connectors to authenticated, service_role;
create policy agent_run_connectors_read_own on public.agent_run_connectors for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_run_connectors_service on public.agent_run_connectors to service_role using (true) with check (true);
