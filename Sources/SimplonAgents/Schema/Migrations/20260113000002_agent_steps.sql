-- What a run has decided and done, one row a step and attempt. Steps not begun have no row yet.
create table public.agent_steps (
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  attempt integer not null,
  step_id text not null,
  user_id uuid,
  position integer not null default 0,
  tool text not null,
  status text not null,
  effect text not null default 'none',
  input jsonb,
  output jsonb,
  error jsonb,
  epoch integer not null,
  failures integer not null default 0,
  retry_at timestamptz,
  -- What a person said to its question: {decision: approve | deny | expired} or {answer}; or of a call that may have
  -- happened: {decision: happened | again}; message?, by, role, at. A resume clears it, as it asks again, but where the
  -- call was begun.
  response jsonb,
  layer text,
  cost numeric not null default 0,
  started_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (run_id, attempt, step_id),
  constraint agent_steps_status check (
    status in ('pending', 'running', 'waiting', 'completed', 'failed', 'skipped', 'cancelled')),
  constraint agent_steps_effect check (effect in ('none', 'intent', 'dispatched', 'settled', 'unknown'))
) with (fillfactor = 70);
create index agent_steps_of_user on public.agent_steps (user_id);

alter table public.agent_steps enable row level security;
alter table public.agent_steps force row level security;
revoke all on public.agent_steps from public, anon, authenticated, service_role;
grant select on public.agent_steps to authenticated, service_role;
create policy agent_steps_read_own on public.agent_steps for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_steps_service on public.agent_steps to service_role using (true) with check (true);
