-- A fork is a run that begins where another one was. It has rows of its own for the steps and messages that it takes over;
-- what is large in them stays with the origin, and the rows say where.

-- The run and attempt whose row of the same step or message holds what is null here.
alter table public.agent_steps add column origin_run uuid, add column origin_attempt integer;
alter table public.agent_messages add column origin_run uuid, add column origin_attempt integer;
create index agent_steps_of_origin on public.agent_steps (origin_run) where origin_run is not null;
create index agent_messages_of_origin on public.agent_messages (origin_run) where origin_run is not null;

-- Before a run goes, one of its forks gets each thing that they have of it, and the others refer to that one. (No foreign
-- key: it would cost every step a look.)
create function simplon.hand_down() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  with heirs as materialized (
    select distinct on (t.origin_attempt, t.step_id) t.run_id, t.attempt, t.origin_attempt, t.step_id
    from public.agent_steps t where t.origin_run = old.id order by t.origin_attempt, t.step_id, t.run_id)
  update public.agent_steps t set
    input = case when t.run_id = h.run_id then coalesce(t.input, o.input) else t.input end,
    output = case when t.run_id = h.run_id then coalesce(t.output, o.output) else t.output end,
    origin_run = case when t.run_id = h.run_id then null else h.run_id end,
    origin_attempt = case when t.run_id = h.run_id then null else h.attempt end
  from heirs h join public.agent_steps o
    on o.run_id = old.id and o.attempt = h.origin_attempt and o.step_id = h.step_id
  where t.origin_run = old.id and t.origin_attempt = h.origin_attempt and t.step_id = h.step_id;
  with heirs as materialized (
    select distinct on (m.origin_attempt, m.position) m.run_id, m.attempt, m.origin_attempt, m.position
    from public.agent_messages m where m.origin_run = old.id order by m.origin_attempt, m.position, m.run_id)
  update public.agent_messages m set
    raw = case when m.run_id = h.run_id then coalesce(m.raw, o.raw) else m.raw end,
    origin_run = case when m.run_id = h.run_id then null else h.run_id end,
    origin_attempt = case when m.run_id = h.run_id then null else h.attempt end
  from heirs h join public.agent_messages o
    on o.run_id = old.id and o.attempt = h.origin_attempt and o.position = h.position
  where m.origin_run = old.id and m.origin_attempt = h.origin_attempt and m.position = h.position;
  return old;
end $$;
create trigger agent_runs_hand_down before delete on public.agent_runs
  for each row execute function simplon.hand_down();

-- The steps of a plan that need that one, directly or through others.
create function simplon.steps_after(plan jsonb, step text) returns setof text
language sql immutable set search_path = ''
as $$
  with recursive edges as materialized (
    select x ->> 'id' as id, n.need
    from jsonb_array_elements(case jsonb_typeof(plan -> 'steps') when 'array' then plan -> 'steps' end) x
    cross join lateral jsonb_array_elements_text(case jsonb_typeof(x -> 'needs') when 'array' then x -> 'needs' end)
      as n (need)),
  later as (
    select e.id from edges e where e.need = steps_after.step
    union
    select e.id from later l join edges e on e.need = l.id)
  select l.id from later l
$$;

-- Makes a run that begins where another one was: at a step, which is done again or has the output that the request gives;
-- behind a message; or where it stands. What was settled up to there is taken over. Gives the new run.
-- request: {step_id?, at_message?, message?, model?, output?, prompt?}
create function simplon.fork_run(run uuid, request jsonb, engine integer default 1)
returns table (run_id uuid, status text)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  origin public.agent_runs;
  target public.agent_steps;
  question public.agent_steps;
  step text := request ->> 'step_id';
  -- Messages up to this one are taken over.
  cut integer := coalesce((request ->> 'at_message')::integer, 0);
  -- Steps before this place are, without these.
  bound integer;
  dropped text[] := '{}';
  -- Steps of the plan behind which it goes on when they fail.
  tolerant text[];
  plan jsonb;
  suffix text := '';
  fork uuid;
begin
  if not coalesce((select simplon.owns(r.user_id) from public.agent_runs r where r.id = fork_run.run), false) then
    raise exception 'there is no run % of yours', fork_run.run using errcode = 'SIM03';
  end if;
  -- Nothing of it is written meanwhile.
  perform from simplon.run_state s where s.run_id = fork_run.run for update;
  -- Nor is any run deleted that holds what it has taken over itself; what was being deleted has been handed down by then.
  perform from simplon.run_state s where s.run_id in (
    select t.origin_run from public.agent_steps t where t.run_id = fork_run.run and t.origin_run is not null
    union select m.origin_run from public.agent_messages m where m.run_id = fork_run.run and m.origin_run is not null)
  order by s.run_id for key share;
  select r.* into origin from public.agent_runs r where r.id = fork_run.run;
  if not found then
    raise exception 'there is no run % of yours', fork_run.run using errcode = 'SIM03';
  end if;
  plan := origin.plan;
  if octet_length((request -> 'output')::text) > 1048576 then
    raise exception '"output" is % bytes long, and 1048576 are allowed', octet_length((request -> 'output')::text)
      using errcode = 'SIM05';
  end if;
  tolerant := array(
    select x ->> 'id' from jsonb_array_elements(case jsonb_typeof(plan -> 'steps') when 'array' then plan -> 'steps' end) x
    where x ->> 'continue_on_error' = 'true');

  if request ? 'step_id' and request ? 'at_message' then
    raise exception '"step_id" and "at_message" exclude each other' using errcode = 'SIM05';
  elsif request ? 'output' and (step is null or request ? 'message') then
    raise exception '"output" is a step''s: it needs "step_id" and no "message"' using errcode = 'SIM05';
  elsif plan is not null and request ?| array['at_message', 'message', 'prompt'] then
    raise exception 'the run has a plan, and so no messages' using errcode = 'SIM05', hint = 'Name a step.';
  elsif request ? 'prompt' and request ?| array['step_id', 'at_message', 'message', 'output'] then
    raise exception 'of a run with another prompt nothing is kept' using errcode = 'SIM05',
      hint = 'Send "prompt" alone, or with "model".';
  end if;
  if step is not null then
    select t.* into target from public.agent_steps t
    where t.run_id = origin.id and t.attempt = origin.attempt and t.step_id = step;
    if not found and not exists (
        select from jsonb_array_elements(case jsonb_typeof(plan -> 'steps') when 'array' then plan -> 'steps' end) x
        where x ->> 'id' = step) then
      raise exception 'the run has no step "%"', left(step, 100) using errcode = 'SIM05';
    elsif request ? 'output' and (target.tool = 'model'
        or coalesce(target.status, 'pending') not in ('completed', 'failed', 'skipped')) then
      raise exception 'the step "%" has no output that could be another', left(step, 100) using errcode = 'SIM02',
        hint = 'Only a step that has ended and is no question to a model has one.';
    end if;
  end if;

  if origin.plan is null and not request ? 'prompt' then
    if step is not null then
      select t.* into question from public.agent_steps t
      where t.run_id = origin.id and t.attempt = origin.attempt and t.tool = 'model' and t.position <= target.position
      order by t.position desc limit 1;
      cut := (question.input ->> 'messages')::integer;
      if target.tool = 'model' then
        bound := target.position;
      else
        if request ? 'message' then
          raise exception 'a message cannot stand between a call and its results' using errcode = 'SIM05',
            hint = 'Name the question after it, or "at_message".';
        end if;
        -- The question's answer stays, which calls for the step.
        cut := cut + 1;
        select min(t.position) into bound from public.agent_steps t
        where t.run_id = origin.id and t.attempt = origin.attempt and t.tool = 'model' and t.position > target.position;
        select x -> 'plan' into plan
        from public.agent_messages m cross join lateral jsonb_array_elements(m.content -> 'calls') x
        where m.run_id = origin.id and m.attempt = origin.attempt and m.position = cut and x ? 'plan' limit 1;
        suffix := substr(step, length(split_part(step, '@', 1)) + 1);
      end if;
    else
      if not request ? 'at_message' then
        select coalesce(max(m.position), 0) into cut from public.agent_messages m
        where m.run_id = origin.id and m.attempt = origin.attempt;
      elsif not exists (
          select from public.agent_messages m
          where m.run_id = origin.id and m.attempt = origin.attempt and m.position = cut) then
        raise exception 'the run has no message %', cut using errcode = 'SIM05';
      end if;
      -- Up to the question that came next.
      select min(t.position) into bound from public.agent_steps t
      where t.run_id = origin.id and t.attempt = origin.attempt and t.tool = 'model'
        and (t.input ->> 'messages')::integer >= cut;
    end if;
    if request ? 'message' and cut = 0 then
      raise exception 'the run has no messages yet' using errcode = 'SIM02', hint = 'Send another "prompt" instead.';
    elsif request ? 'message' and exists (
        select from public.agent_messages m cross join lateral jsonb_array_elements(m.content -> 'calls') x
        where m.run_id = origin.id and m.attempt = origin.attempt and m.position = cut and m.role = 'assistant'
          and x ?| array['step_id', 'plan']) then
      raise exception 'message % calls for steps, and a message cannot stand before their results', cut
        using errcode = 'SIM05', hint = 'Cut behind the results, one message later.';
    end if;
  end if;
  if step is not null and target.tool is distinct from 'model' then
    dropped := array(select s || suffix from simplon.steps_after(plan, split_part(step, '@', 1)) s) || step;
  end if;

  insert into public.agent_runs (
    user_id, owner_claims, project_id, agent, model, tools, connectors, prompt, plan, workflow, priority, metadata,
    budget, forked_from, engine_version)
  values (
    -- Its owner's own fork has the claims that he has now.
    origin.user_id, case when origin.user_id = auth.uid() then null else origin.owner_claims end, origin.project_id, origin.agent, coalesce(request ->> 'model', origin.model),
    origin.tools, origin.connectors, coalesce(request ->> 'prompt', origin.prompt), origin.plan, origin.workflow,
    least(origin.priority, 0), origin.metadata,
    -- A deadline that is over is the origin's.
    case when simplon.deadline_of(origin.budget) <= now() then origin.budget - 'deadline' else origin.budget end,
    origin.id, engine)
  returning id into fork;
  -- What is in its first epoch has nothing before it, and is not looked for.
  update simplon.run_state s set epoch = 1 where s.run_id = fork;
  update public.agent_task_queue q set epoch = 1 where q.run_id = fork;

  if not request ? 'prompt' then
    insert into public.agent_steps (
      run_id, attempt, step_id, user_id, position, tool, status, effect, input, output, error, epoch, response, layer,
      started_at, completed_at, origin_run, origin_attempt)
    select fork, 1, t.step_id, t.user_id, t.position, t.tool, t.status, t.effect,
      case when pg_column_size(t.input) <= 2000 then t.input end,
      case when pg_column_size(t.output) <= 2000 then t.output end, t.error, 0, t.response, t.layer,
      t.started_at, t.completed_at,
      case when l.is_large then coalesce(t.origin_run, t.run_id) end,
      case when l.is_large then coalesce(t.origin_attempt, t.attempt) end
    from public.agent_steps t cross join lateral (
      select t.origin_run is not null or coalesce(pg_column_size(t.input) > 2000, false)
        or coalesce(pg_column_size(t.output) > 2000, false) as is_large) l
    where t.run_id = origin.id and t.attempt = origin.attempt and t.step_id <> all (dropped)
      and (bound is null or t.position < bound)
      and (t.status in ('completed', 'skipped') or t.status = 'failed' and case when origin.plan is null then true
        else t.step_id = any (tolerant) end);
    if request ? 'output' then
      insert into public.agent_steps (
        run_id, attempt, step_id, user_id, position, tool, status, effect, input, output, epoch, layer, started_at,
        completed_at)
      values (
        fork, 1, step, target.user_id, target.position, target.tool, 'completed', 'settled',
        coalesce(target.input, (
          select o.input from public.agent_steps o
          where o.run_id = target.origin_run and o.attempt = target.origin_attempt and o.step_id = step)),
        request -> 'output', 0, target.layer, target.started_at, clock_timestamp());
    end if;
    insert into public.agent_messages (
      run_id, attempt, position, user_id, role, content, raw, created_at, origin_run, origin_attempt)
    select fork, 1, m.position, m.user_id, m.role, m.content,
      case when pg_column_size(m.raw) <= 2000 then m.raw end, m.created_at,
      case when m.origin_run is not null or pg_column_size(m.raw) > 2000 then coalesce(m.origin_run, m.run_id) end,
      case when m.origin_run is not null or pg_column_size(m.raw) > 2000
        then coalesce(m.origin_attempt, m.attempt) end
    from public.agent_messages m
    where m.run_id = origin.id and m.attempt = origin.attempt and m.position <= cut;
    if request ? 'message' then
      insert into public.agent_messages (run_id, attempt, position, user_id, role, content)
      values (fork, 1, cut + 1, origin.user_id, 'user', jsonb_build_object('text', request -> 'message'));
    end if;
  end if;

  insert into public.execution_snapshots (
    run_id, user_id, attempt, step_id, fork_id, status, position, steps, layers)
  select origin.id, origin.user_id, origin.attempt, step, fork, origin.status,
    case when request ? 'prompt' then 0 else cut end,
    coalesce(jsonb_object_agg(t.step_id, t.status) filter (where t.step_id is not null), '{}'),
    coalesce(jsonb_object_agg(t.step_id, t.layer) filter (where t.layer is not null), '{}')
  from (select fork as id) f left join public.agent_steps t on t.run_id = f.id;
  return query select fork, 'queued'::text;
end $$;

revoke all on function simplon.hand_down(), simplon.steps_after(jsonb, text), simplon.fork_run(uuid, jsonb, integer)
  from public, anon, authenticated, service_role;
grant execute on function simplon.fork_run(uuid, jsonb, integer) to authenticated, service_role;
