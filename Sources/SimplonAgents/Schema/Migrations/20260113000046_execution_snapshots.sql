-- How far a run was at a moment, for whoever looks for a fault: its steps, where they stood and which files they left, and
-- how long the transcript was. One is taken of a run that is forked, as far as the fork goes, and when somebody asks.
create table public.execution_snapshots (
  id uuid primary key default simplon.uuid_v7(),
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  user_id uuid,
  attempt integer not null,
  -- The step at which it was forked.
  step_id text,
  -- The run that began there.
  fork_id uuid references public.agent_runs (id) on delete set null,
  status public.task_status not null,
  -- Messages up to this one.
  position integer not null default 0,
  -- By the steps' ids: their status, and the hash of the layer of those that left files.
  steps jsonb not null default '{}',
  layers jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp()
);
create index execution_snapshots_of_run on public.execution_snapshots (run_id, id);
create index execution_snapshots_of_fork on public.execution_snapshots (fork_id) where fork_id is not null;
create index execution_snapshots_of_user on public.execution_snapshots (user_id);

alter table public.execution_snapshots enable row level security;
alter table public.execution_snapshots force row level security;
revoke all on public.execution_snapshots from public, anon, authenticated, service_role;
grant select on public.execution_snapshots to authenticated, service_role;
create policy execution_snapshots_read_own on public.execution_snapshots for select to authenticated
  using ((select auth.uid()) = user_id);
create policy execution_snapshots_service on public.execution_snapshots to service_role using (true) with check (true);

-- Takes a snapshot of a run of the caller's as it stands; gives the run's status and the snapshot.
create function simplon.snapshot_run(run uuid) returns table (status text, snapshot_id uuid)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  if not coalesce((select simplon.owns(r.user_id) from public.agent_runs r where r.id = snapshot_run.run), false) then
    raise exception 'there is no run % of yours', snapshot_run.run using errcode = 'SIM03';
  end if;
  -- What two count at the same time would pass the limit.
  perform pg_advisory_xact_lock(hashtextextended(snapshot_run.run::text, 5360414144));
  if (select count(*) from public.execution_snapshots e where e.run_id = snapshot_run.run and e.fork_id is null) >= 100 then
    raise exception 'the run has 100 snapshots, which is the limit' using errcode = 'SIM51';
  end if;
  return query
  insert into public.execution_snapshots as e (run_id, user_id, attempt, status, position, steps, layers)
  select r.id, r.user_id, r.attempt, r.status,
    coalesce((select max(m.position) from public.agent_messages m where m.run_id = r.id and m.attempt = r.attempt), 0),
    coalesce(jsonb_object_agg(t.step_id, t.status) filter (where t.step_id is not null), '{}'),
    coalesce(jsonb_object_agg(t.step_id, t.layer) filter (where t.layer is not null), '{}')
  from public.agent_runs r left join public.agent_steps t on t.run_id = r.id and t.attempt = r.attempt
  where r.id = snapshot_run.run group by r.id
  returning e.status::text, e.id;
end $$;

revoke all on function simplon.snapshot_run(uuid) from public, anon, authenticated, service_role;
grant execute on function simplon.snapshot_run(uuid) to authenticated, service_role;
