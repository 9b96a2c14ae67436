-- Runs that a step of another run makes, for the same owner and with no more rights. SIM07 too deep or too many.

-- How many runs a tree has had, by its first one.
create table simplon.tree_sizes (
  root_id uuid primary key references public.agent_runs (id) on delete cascade,
  runs integer not null
);
alter table simplon.tree_sizes enable row level security;
alter table simplon.tree_sizes force row level security;
revoke all on simplon.tree_sizes from public, anon, authenticated, service_role;

-- Makes the run of a step, or finds the one that the step has made in this attempt: a worker that comes back to a step
-- after a crash finds what there is. The row of the run above is held meanwhile, so that nothing is added to a tree that
-- is being stopped, and a worker that lost its lease makes nothing.
create function simplon.create_child(
  run uuid, epoch integer, attempt integer, step text, request jsonb, engine integer)
returns table (run_id uuid, status text, result jsonb, error jsonb)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  above public.agent_runs;
  child uuid;
  size integer;
begin
  perform from simplon.run_state s
  where s.run_id = create_child.run and s.epoch = create_child.epoch and s.worker is not null for update;
  if not found then
    raise exception 'run % is no longer held in epoch %', create_child.run, create_child.epoch using errcode = 'SIM01';
  end if;
  select r.* into above from public.agent_runs r where r.id = create_child.run;
  select c.id into child from public.agent_runs c
  where c.parent_id = above.id and c.parent_attempt = create_child.attempt and c.parent_step = create_child.step;
  if child is null then
    if above.depth >= 8 then
      raise exception 'the run is 8 runs below the first of its tree, and may make none itself' using errcode = 'SIM07';
    elsif (select count(*) from public.agent_runs c where c.parent_id = above.id) >= 1000 then
      raise exception 'the run has made 1000 runs, and may make no more' using errcode = 'SIM07';
    elsif jsonb_array_length(case jsonb_typeof(request #> '{plan,steps}') when 'array' then request #> '{plan,steps}' end)
        > (above.budget ->> 'max_steps')::integer then
      raise exception 'the plan has more steps than "max_steps" of the budget allows' using errcode = 'SIM07';
    end if;
    insert into simplon.tree_sizes as t (root_id, runs) values (simplon.root_of_run(above.id), 2)
    on conflict (root_id) do update set runs = t.runs + 1 returning t.runs into size;
    if size > 10000 then
      raise exception 'its tree has had 10000 runs, and may have no more' using errcode = 'SIM07';
    end if;
    insert into public.agent_runs (
      user_id, owner_claims, project_id, agent, model, tools, connectors, prompt, plan, workflow, priority, metadata,
      budget, parent_id, parent_attempt, parent_step, depth, engine_version)
    values (
      above.user_id, above.owner_claims, above.project_id, above.agent, above.model,
      case when request ? 'tools' then array(select jsonb_array_elements_text(request -> 'tools')) else above.tools end,
      above.connectors, request ->> 'prompt', request -> 'plan', request ->> 'workflow', above.priority,
      coalesce(request -> 'metadata', '{}'), above.budget, above.id, create_child.attempt, create_child.step,
      above.depth + 1, engine)
    returning id into child;
  end if;
  return query select c.id, c.status::text, c.result, c.error from public.agent_runs c where c.id = child;
end $$;

-- Queues those of these runs that wait for a run of their own which has ended; gives them. It waits for nobody, as whoever
-- ends a run holds its row: a parent that somebody has a hand on is looked at by simplon.wake_waiting_parents, and by the
-- worker that parks it.
create function simplon.wake_parents(parents uuid[]) returns setof uuid
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return query select simplon.queue_runs(
    array(
      select s.run_id from simplon.run_state s join public.agent_runs r on r.id = s.run_id
      where s.run_id = any (parents) and s.worker is null and r.status in ('waiting', 'retrying')
        and exists (
          select from public.agent_runs c join public.agent_steps t
            on t.run_id = c.parent_id and t.attempt = c.parent_attempt and t.step_id = c.parent_step
          where c.parent_id = r.id and c.parent_attempt = r.attempt and c.completed_at is not null
            and t.status = 'waiting' and t.retry_at is null)
      order by s.run_id for no key update of s, r skip locked),
    '{"cause": "child_run"}');
end $$;

-- The same for all that wait, for a person at the same time too: what a run's end could not wake. Gives them.
create function simplon.wake_waiting_parents(most integer default 1000) returns setof uuid
language sql security definer set search_path = ''
as $$
  select simplon.wake_parents(array(
    select r.id from public.agent_runs r
    where r.status = 'waiting' and r.reason is not null and r.reason ->> 'code' in ('child_run', 'approval', 'answer')
      and exists (
        select from public.agent_runs c join public.agent_steps t
          on t.run_id = c.parent_id and t.attempt = c.parent_attempt and t.step_id = c.parent_step
        where c.parent_id = r.id and c.parent_attempt = r.attempt and c.completed_at is not null
          and t.status = 'waiting' and t.retry_at is null)
    limit most))
$$;

create function simplon.child_ended() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  perform simplon.wake_parents(array[new.parent_id]);
  return null;
end $$;
-- What is no child pays a comparison.
create trigger agent_runs_child_ended after update of completed_at on public.agent_runs for each row
  when (new.parent_id is not null and new.completed_at is not null and old.completed_at is null)
  execute function simplon.child_ended();

revoke all on function simplon.create_child(uuid, integer, integer, text, jsonb, integer),
  simplon.wake_parents(uuid[]), simplon.wake_waiting_parents(integer), simplon.child_ended()
  from public, anon, authenticated, service_role;
grant execute on function simplon.create_child(uuid, integer, integer, text, jsonb, integer),
  simplon.wake_parents(uuid[]), simplon.wake_waiting_parents(integer) to service_role;
