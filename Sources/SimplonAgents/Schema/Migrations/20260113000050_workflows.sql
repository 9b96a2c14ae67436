-- Saved workflows: a plan under a name of its owner's, with the JSON Schema of its inputs and its last versions;
-- and what has come of the runs made from it. The service's own have no user.
-- SIM50 no such workflow, SIM51 as many as one may have, SIM52 the name is taken.

-- Tells a plan from others at the cost of a few bytes. It is immutable, as the encoding of a database is.
create function simplon.hash_plan(plan jsonb) returns bytea
language sql immutable parallel safe set search_path = ''
as $$ select pg_catalog.sha256(pg_catalog.convert_to(plan::text, 'UTF8')) $$;

create table public.workflows (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid default auth.uid(),
  name text not null,
  description text,
  version integer not null default 1,
  plan jsonb not null,
  inputs jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  plan_hash bytea generated always as (simplon.hash_plan(plan)) stored,
  constraint workflows_sizes check (
    octet_length(name) <= 200 and octet_length(description) <= 4096
    and pg_column_size(plan) <= 33554432 and pg_column_size(inputs) <= 524288)
);
create unique index workflows_by_name on public.workflows
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), name);
create index workflows_of_user on public.workflows (user_id, id desc);

create table public.workflow_versions (
  workflow_id uuid not null references public.workflows (id) on delete cascade,
  version integer not null,
  user_id uuid,
  plan jsonb not null,
  inputs jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  plan_hash bytea generated always as (simplon.hash_plan(plan)) stored,
  primary key (workflow_id, version)
);
create index workflow_versions_of_user on public.workflow_versions (user_id);

create table public.workflow_executions (
  id uuid primary key default simplon.uuid_v7(),
  workflow_id uuid references public.workflows (id) on delete set null,
  workflow_name text not null,
  version integer not null,
  run_id uuid unique references public.agent_runs (id) on delete cascade,
  user_id uuid,
  status public.task_status not null,
  inputs jsonb not null default '{}',
  output jsonb,
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  completed_at timestamptz
);
create index workflow_executions_of_workflow on public.workflow_executions (workflow_id, id desc);
create index workflow_executions_of_user on public.workflow_executions (user_id, id desc);

-- A run that names a workflow and brings no plan, as one inserted without the API does, gets the plan as it is now.
create function simplon.resolve_workflow() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  select w.plan into new.plan from public.workflows w
  where simplon.owner_key(w.user_id) = simplon.owner_key(new.user_id) and w.name = new.workflow;
  if not found then
    raise exception 'there is no workflow "%" of yours', left(new.workflow, 200) using errcode = 'SIM50';
  end if;
  if octet_length(new.plan::text) > 8388608 then
    raise exception 'the plan is % bytes long, and 8388608 are allowed', octet_length(new.plan::text) using errcode = 'SIM05';
  end if;
  new.size := new.size + octet_length(new.plan::text);
  return new;
end $$;
create trigger agent_runs_resolve before insert on public.agent_runs
  for each row when (new.workflow is not null and new.plan is null and new.prompt is null)
  execute function simplon.resolve_workflow();

-- What becomes of a run of a workflow becomes of its execution, in the same commit. Its version is the latest with the
-- run's plan, and a fork's that of its origin, which has the same; a run that only bears a workflow's name has no execution.
create function simplon.follow_workflow() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  -- Plans themselves are not compared: a hundred large ones take seconds.
  hash bytea := case when tg_op = 'INSERT' and new.forked_from is null then simplon.hash_plan(new.plan) end;
begin
  if tg_op = 'INSERT' then
    insert into public.workflow_executions (workflow_id, workflow_name, version, run_id, user_id, status, inputs, created_at)
    select w.id, w.name, v.version, new.id, new.user_id, new.status, coalesce(new.metadata -> 'inputs', '{}'), new.created_at
    from public.workflows w cross join lateral (
      select case when new.forked_from is not null then (
          select e.version from public.workflow_executions e where e.run_id = new.forked_from and e.workflow_id = w.id)
        when w.plan_hash = hash then w.version else (
          select max(x.version) from public.workflow_versions x where x.workflow_id = w.id and x.plan_hash = hash) end
      offset 0) as v (version)
    where simplon.owner_key(w.user_id) = simplon.owner_key(new.user_id)
      and w.name = new.workflow and v.version is not null;
  else
    update public.workflow_executions e set
      status = new.status, output = new.result, error = new.error, completed_at = new.completed_at,
      started_at = case when new.status = 'running' then coalesce(e.started_at, clock_timestamp())
        when old.completed_at is null then e.started_at end
    where e.run_id = new.id;
  end if;
  return null;
end $$;
create trigger agent_runs_workflow_made after insert on public.agent_runs
  for each row when (new.workflow is not null) execute function simplon.follow_workflow();
create trigger agent_runs_workflow_followed after update of status on public.agent_runs
  for each row when (new.workflow is not null and old.status is distinct from new.status)
  execute function simplon.follow_workflow();

-- Saves a workflow under a new name: {name, description?, plan, inputs?}.
create function simplon.save_workflow(request jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  made public.workflows;
begin
  -- What two count at the same time would pass the limit.
  perform pg_advisory_xact_lock(hashtextextended(coalesce(auth.uid()::text, ''), 5360414144));
  if (select count(*) from public.workflows w
      where simplon.owner_key(w.user_id) = simplon.owner_key(auth.uid())) >= 1000 then
    raise exception 'you have 1000 workflows, which is the limit' using errcode = 'SIM51', hint = 'Delete one.';
  end if;
  insert into public.workflows (user_id, name, description, plan, inputs)
  values (auth.uid(), request ->> 'name', request ->> 'description', request -> 'plan', coalesce(request -> 'inputs', '{}'))
  on conflict do nothing returning * into made;
  if not found then
    raise exception 'you have a workflow "%" already', request ->> 'name'
      using errcode = 'SIM52', hint = 'Change it with PATCH, or choose another name.';
  end if;
  insert into public.workflow_versions (workflow_id, version, user_id, plan, inputs)
  values (made.id, made.version, made.user_id, made.plan, made.inputs);
end $$;

-- Changes what is sent; another plan, or other inputs, are a new version. The last hundred are kept.
create function simplon.change_workflow(workflow text, changes jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  changed public.workflows;
begin
  update public.workflows w set
    description = coalesce(changes ->> 'description', w.description),
    plan = coalesce(changes -> 'plan', w.plan), inputs = coalesce(changes -> 'inputs', w.inputs),
    version = w.version + (w.plan is distinct from coalesce(changes -> 'plan', w.plan)
      or w.inputs is distinct from coalesce(changes -> 'inputs', w.inputs))::integer,
    updated_at = clock_timestamp()
  where simplon.owner_key(w.user_id) = simplon.owner_key(auth.uid()) and w.name = workflow returning * into changed;
  if not found then
    raise exception 'there is no workflow "%" of yours', left(workflow, 200) using errcode = 'SIM50';
  end if;
  insert into public.workflow_versions (workflow_id, version, user_id, plan, inputs)
  values (changed.id, changed.version, changed.user_id, changed.plan, changed.inputs) on conflict do nothing;
  delete from public.workflow_versions v where v.workflow_id = changed.id and v.version <= changed.version - 100;
end $$;

-- Deletes a workflow with its versions; runs made from it, and their executions, stay.
create function simplon.delete_workflow(workflow text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.workflows w
  where simplon.owner_key(w.user_id) = simplon.owner_key(auth.uid()) and w.name = workflow;
  if not found then
    raise exception 'there is no workflow "%" of yours', left(workflow, 200) using errcode = 'SIM50';
  end if;
end $$;

create trigger workflows_audit after insert or update or delete on public.workflows
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('workflow', 'workflows', 'name', 'updated_at', 'plan_hash');

alter table public.workflows enable row level security;
alter table public.workflows force row level security;
revoke all on public.workflows from public, anon, authenticated, service_role;
grant select on public.workflows to authenticated, service_role;
alter table public.workflow_versions enable row level security;
alter table public.workflow_versions force row level security;
revoke all on public.workflow_versions from public, anon, authenticated, service_role;
grant select on public.workflow_versions to authenticated, service_role;
alter table public.workflow_executions enable row level security;
alter table public.workflow_executions force row level security;
revoke all on public.workflow_executions from public, anon, authenticated, service_role;
grant select on public.workflow_executions to authenticated, service_role;
create policy workflows_read_own on public.workflows for select to authenticated
  using ((select auth.uid()) = user_id);
create policy workflows_service on public.workflows to service_role using (true) with check (true);
create policy workflow_versions_read_own on public.workflow_versions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy workflow_versions_service on public.workflow_versions to service_role using (true) with check (true);
create policy workflow_executions_read_own on public.workflow_executions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy workflow_executions_service on public.workflow_executions to service_role using (true) with check (true);

revoke all on function simplon.hash_plan(jsonb), simplon.resolve_workflow(), simplon.follow_workflow(),
  simplon.save_workflow(jsonb), simplon.change_workflow(text, jsonb), simplon.delete_workflow(text)
  from public, anon, authenticated, service_role;
grant execute on function simplon.save_workflow(jsonb), simplon.change_workflow(text, jsonb),
  simplon.delete_workflow(text) to authenticated, service_role;
