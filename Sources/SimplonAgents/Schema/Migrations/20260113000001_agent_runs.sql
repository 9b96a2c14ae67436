-- One thing asked of an agent. A caller may insert a few columns of its own run and nothing else; the engine's part is
-- written by functions alone.
create table public.agent_runs (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid default auth.uid(),
  owner_claims jsonb,
  project_id uuid,
  agent text,
  model text,
  tools text[],
  connectors text[],
  prompt text,
  plan jsonb,
  workflow text,
  -- The typed task that it does; see agent_executions.
  task_id text,
  priority smallint not null default 0,
  metadata jsonb not null default '{}',
  -- Bytes of its plan, or else its prompt, and its metadata as text: what it adds to a claim's answer.
  size integer not null default 0,
  status public.task_status not null default 'queued',
  reason jsonb,
  result jsonb,
  error jsonb,
  budget jsonb,
  cost numeric not null default 0,
  attempt integer not null default 1,
  -- The run whose step made this one, and how deep it lies below the first of its tree.
  parent_id uuid references public.agent_runs (id) on delete set null,
  parent_attempt integer,
  parent_step text,
  depth smallint not null default 0,
  forked_from uuid references public.agent_runs (id) on delete set null,
  engine_version integer not null default 1,
  idempotency_key text,
  request_hash bytea,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  completed_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  -- What does not change is judged once, by simplon.prepare_run: a constraint is read and asked at every update.
  constraint agent_runs_one_job check (num_nonnulls(prompt, plan, workflow) >= 1),
  constraint agent_runs_finished check ((completed_at is not null) = (status in ('completed', 'failed', 'cancelled'))),
  constraint agent_runs_explained check ((reason is not null) = (status in ('waiting', 'retrying')))
) with (fillfactor = 85);

create index agent_runs_of_user on public.agent_runs (user_id, id desc);
-- A step of an attempt makes one run at most, however often it is begun.
create unique index agent_runs_of_parent on public.agent_runs (parent_id, parent_attempt, parent_step)
  where parent_id is not null;
create index agent_runs_of_fork on public.agent_runs (forked_from) where forked_from is not null;
-- By no column that a claim changes, which would make it write every index.
create index agent_runs_waiting on public.agent_runs ((reason ->> 'code')) where reason is not null;
-- For retention: what ended first.
create index agent_runs_finished on public.agent_runs (completed_at) where completed_at is not null;
create unique index agent_runs_idempotency on public.agent_runs
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), idempotency_key) where idempotency_key is not null;

-- The hot row of a run, apart from agent_runs so that leases are never published. Its lock orders everything that is
-- written about the run: epoch is the fence, next_seq the next event's number.
create table simplon.run_state (
  run_id uuid primary key references public.agent_runs (id) on delete cascade,
  user_id uuid,
  epoch integer not null default 0,
  worker uuid,
  lease_until timestamptz,
  next_seq bigint not null default 1,
  constraint run_state_lease check ((worker is null) = (lease_until is null))
) with (fillfactor = 50);
create index run_state_held on simplon.run_state (worker) where worker is not null;

alter table public.agent_runs enable row level security;
alter table public.agent_runs force row level security;
revoke all on public.agent_runs from public, anon, authenticated, service_role;
grant select on public.agent_runs to authenticated, service_role;
grant insert (prompt, plan, workflow, agent, project_id, metadata) on public.agent_runs to authenticated, service_role;
create policy agent_runs_read_own on public.agent_runs for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_runs_insert_own on public.agent_runs for insert to authenticated
  with check ((select auth.uid()) = user_id);
create policy agent_runs_service on public.agent_runs to service_role using (true) with check (true);
grant select on simplon.run_state to service_role;
