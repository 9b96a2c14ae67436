-- What callers may do to runs. Each function takes its user from auth.uid() alone.
-- SIM01 stale, SIM02 wrong state, SIM03 no such run, SIM04 idempotency key with another body, SIM05 bad request.

-- Fills what only the engine may choose; runs for a row inserted through any door. What a run does to data it does as
-- its owner, with no more than a user's role. What is refused for its size is, of jsonb, twice what the API takes: its text
-- has a space after each comma and colon.
create function simplon.prepare_run() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  plan_size integer := coalesce(octet_length(new.plan::text), 0);
  metadata_size integer := octet_length(new.metadata::text);
begin
  if plan_size > 8388608 then
    raise exception 'the plan is % bytes long, and 8388608 are allowed', plan_size using errcode = 'SIM05';
  elsif metadata_size > 131072 then
    raise exception 'the metadata are % bytes long, and 131072 are allowed', metadata_size using errcode = 'SIM05';
  elsif jsonb_typeof(new.metadata) <> 'object' then
    raise exception 'the metadata must be an object' using errcode = 'SIM05';
  elsif octet_length(new.prompt) > 1048576 then
    raise exception 'the prompt is % bytes long, and 1048576 are allowed', octet_length(new.prompt) using errcode = 'SIM05';
  elsif octet_length(new.agent) > 255 or octet_length(new.workflow) > 255 then
    raise exception 'the name of an agent or a workflow has 255 bytes at most' using errcode = 'SIM05';
  elsif array_position(new.tools, null) is not null or array_position(new.connectors, null) is not null then
    raise exception 'the name of a tool or a connector must not be null' using errcode = 'SIM05';
  end if;
  new.size := coalesce(metadata_size, 0)
    + case when new.plan is null then coalesce(octet_length(new.prompt), 0) else plan_size end;
  -- Only the engine sends claims, those of the owner of a run from which this one comes.
  new.owner_claims := coalesce(new.owner_claims,
    auth.jwt() || case when auth.role() = 'anon' then '{}' else '{"role": "authenticated"}' end::jsonb);
  return new;
end $$;

-- Queues a new run, writes down the connectors that it is limited to, and its first event.
create function simplon.enqueue_run() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into simplon.run_state (run_id, user_id, next_seq) values (new.id, new.user_id, 2);
  if new.status = 'queued' then
    insert into public.agent_task_queue (run_id, user_id, priority, engine_version)
    values (new.id, new.user_id, new.priority, new.engine_version);
  end if;
  if new.connectors is not null then
    insert into public.agent_run_connectors (run_id, name, user_id)
    select distinct new.id, c.name, new.user_id from unnest(new.connectors) as c (name);
  end if;
  insert into public.agent_task_logs (run_id, seq, user_id, kind, payload)
  values (new.id, 1, new.user_id, 'status', jsonb_build_object('status', new.status));
  return null;
end $$;

create trigger agent_runs_prepare before insert on public.agent_runs
  for each row execute function simplon.prepare_run();
create trigger agent_runs_enqueue after insert on public.agent_runs
  for each row execute function simplon.enqueue_run();

-- Makes a run, or finds the one made with the same key and body.
create function simplon.create_run(request jsonb, idempotency_key text, request_hash bytea, engine integer default 1)
returns table (run_id uuid, status text, created_at timestamptz, is_new boolean)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  made public.agent_runs;
begin
  loop
    insert into public.agent_runs (
      prompt, plan, workflow, agent, model, task_id, priority, tools, connectors, metadata, budget, project_id, status,
      engine_version, idempotency_key, request_hash)
    values (
      request ->> 'prompt', request -> 'plan', request ->> 'workflow', request ->> 'agent',
      request ->> 'model', request ->> 'task_id',
      -- Before others comes only what the service sends, whichever function it came through; and claims look at each
      -- priority that there is.
      case when not request ? 'priority' then 0
        else greatest(-100, least((request ->> 'priority')::integer, case auth.role() when 'service_role' then 100 else 0 end)) end,
      case when request ? 'tools' then array(select jsonb_array_elements_text(request -> 'tools')) end,
      case when request ? 'connectors' then array(select jsonb_array_elements_text(request -> 'connectors')) end,
      coalesce(request -> 'metadata', '{}'), request -> 'budget', (request ->> 'project_id')::uuid,
      case when (request ->> 'start')::boolean is false then 'pending' else 'queued' end::public.task_status,
      engine, create_run.idempotency_key, create_run.request_hash)
    on conflict (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), idempotency_key)
    where idempotency_key is not null do nothing
    returning * into made;
    if found then
      return query select made.id, made.status::text, made.created_at, true;
      return;
    end if;
    select r.* into made from public.agent_runs r
    where simplon.owner_key(r.user_id) = simplon.owner_key(auth.uid())
      and r.idempotency_key = create_run.idempotency_key;
    -- Else it was deleted in between, and the key is free.
    exit when found;
  end loop;
  if made.request_hash is distinct from create_run.request_hash then
    raise exception 'the idempotency key was used for run % with another body', made.id
      using errcode = 'SIM04', hint = 'Send the same body again, or choose a new key.';
  end if;
  return query select made.id, made.status::text, made.created_at, false;
end $$;

-- Whether the caller may see and steer the run: its own, or any for the service.
create function simplon.owns(owner uuid) returns boolean
language sql stable set search_path = ''
as $$ select coalesce(owner = auth.uid(), false) or auth.role() = 'service_role' $$;

-- Locks a run and all runs below it, in the order of their ids, and gives them. Whoever adds a run to a tree holds the
-- row of the run above it: so nothing is added any more, and what was added while a lock was waited for is locked too.
create function simplon.lock_tree(run uuid) returns uuid[]
language plpgsql security definer set search_path = ''
as $$
declare
  tree uuid[];
  locked uuid[];
begin
  loop
    with recursive below as (
      select lock_tree.run as id
      union
      select c.id from public.agent_runs c join below b on c.parent_id = b.id)
    select array_agg(b.id order by b.id) into tree from below b;
    exit when tree = locked;
    perform from simplon.run_state s where s.run_id = any (tree) order by s.run_id for update;
    locked := tree;
  end loop;
  return tree;
end $$;

-- Ends those of these runs that have not ended; whoever calls holds their run_state rows. A step keeps its effect: a call
-- that was under way may have happened, and a resume must know it.
create function simplon.cancel_runs(runs uuid[]) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  cancelled uuid[];
begin
  with ended as (
    update public.agent_runs r set status = 'cancelled', reason = null, updated_at = clock_timestamp(),
      completed_at = clock_timestamp()
    where r.id = any (runs) and r.completed_at is null returning r.id)
  select array_agg(e.id) into cancelled from ended e;
  update simplon.run_state s set
    epoch = s.epoch + 1, worker = null, lease_until = null, next_seq = s.next_seq + 1
  where s.run_id = any (cancelled);
  delete from public.agent_task_queue q where q.run_id = any (cancelled);
  update public.agent_steps t set status = 'cancelled', completed_at = clock_timestamp(), updated_at = clock_timestamp()
  where t.run_id = any (cancelled) and t.status in ('running', 'waiting');
  insert into public.agent_task_logs (run_id, seq, user_id, kind, payload)
  select s.run_id, s.next_seq - 1, s.user_id, 'done', '{"status": "cancelled"}'
  from simplon.run_state s where s.run_id = any (cancelled);
end $$;

-- Puts runs into the queue and says why in an event; gives them. Whoever calls it holds their rows of run_state. A new run
-- is queued by simplon.enqueue_run, and one that waits for a moment by the write or the trigger that parks it.
create function simplon.queue_runs(runs uuid[], why jsonb, level text default 'info') returns setof uuid
language plpgsql set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  return query
  with state as (
    update simplon.run_state s set next_seq = s.next_seq + 1
    where s.run_id = any (runs) returning s.run_id, s.user_id, s.epoch, s.next_seq),
  runs as (
    update public.agent_runs r set status = 'queued', reason = null, updated_at = clock_timestamp()
    from state s where r.id = s.run_id and r.status <> 'queued'),
  entries as (
    insert into public.agent_task_queue (run_id, user_id, priority, engine_version, epoch)
    select r.id, r.user_id, r.priority, r.engine_version, s.epoch
    from state s join public.agent_runs r on r.id = s.run_id
    on conflict (run_id) do update set epoch = excluded.epoch, ready_at = excluded.ready_at),
  events as (
    insert into public.agent_task_logs (run_id, seq, user_id, level, kind, payload)
    select s.run_id, s.next_seq - 1, s.user_id, queue_runs.level, 'status', '{"status": "queued"}'::jsonb || why
    from state s)
  select s.run_id from state s;
end $$;

-- start, stop, resume or retry; gives the new status. run_state is locked before all else; see simplon.claim_runs. A tree
-- stops together, and what a resumed run waited for goes on with it.
create function simplon.act_on_run(run uuid, action text) returns text
language plpgsql security definer set search_path = ''
as $$
declare
  state simplon.run_state;
  was public.task_status;
  tree uuid[];
  attempt integer;
begin
  if action not in ('start', 'stop', 'resume', 'retry') then
    raise exception 'there is no action "%"', left(action, 32) using errcode = 'SIM05';
  end if;
  if not coalesce((select simplon.owns(r.user_id) from public.agent_runs r where r.id = run), false) then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  if action in ('stop', 'resume') then
    tree := simplon.lock_tree(run);
  end if;
  select s.* into state from simplon.run_state s where s.run_id = run for update;
  select r.status into was from public.agent_runs r where r.id = run for update;
  -- Deleted while the lock was waited for.
  if not found then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;

  if action = 'stop' then
    -- A run that is over stays as it is, and what it made and did not wait for ends.
    perform simplon.cancel_runs(tree);
    return case when was in ('completed', 'failed', 'cancelled') then was else 'cancelled' end;
  end if;
  if not (action = 'start' and was = 'pending' or action = 'resume' and was in ('failed', 'cancelled')
    or action = 'retry' and was in ('failed', 'cancelled', 'completed')) then
    raise exception 'the run is %, and % is allowed from % only', was, action,
      case action when 'start' then 'pending' when 'resume' then 'failed and cancelled'
        else 'failed, cancelled and completed' end
      using errcode = 'SIM02';
  end if;
  -- What was claimed before has its place and keeps it; see simplon.drop_month_partitions.
  if not simplon.has_log_partition(run) then
    raise exception 'the run''s events are past retention, so it cannot go on'
      using errcode = 'SIM02', hint = 'Create a new run.';
  end if;

  update simplon.run_state s set epoch = s.epoch + 1, worker = null, lease_until = null where s.run_id = run;
  update public.agent_runs r set
    status = 'queued', reason = null, updated_at = clock_timestamp(), completed_at = null, error = null, result = null,
    attempt = r.attempt + (action = 'retry')::integer
  where r.id = run returning r.attempt into attempt;
  perform simplon.queue_runs(array[run], jsonb_build_object('action', action, 'attempt', attempt));
  -- What a resume does again is pending from now on; a worker that takes up the run after a crash keeps the failures. A
  -- call that was under way may have happened: its step stands as after a crash, so that whoever takes up the run repeats
  -- it, looks it up or puts it to a person, by what it does. Where it had to be approved, it was.
  update public.agent_steps t set
    status = case when t.effect in ('dispatched', 'unknown') then 'running' else 'pending' end,
    response = case when t.effect in ('dispatched', 'unknown') then t.response end,
    failures = 0, retry_at = null, completed_at = null, updated_at = clock_timestamp()
  from public.agent_runs r
  where action = 'resume' and r.id = run and t.run_id = run and t.attempt = r.attempt
    and (t.status in ('running', 'waiting', 'cancelled') or t.status = 'failed' and case when r.plan is null
      -- A model was told of what had failed before; the last question alone is why the run has.
      then t.tool = 'model' and not exists (
        select from public.agent_steps l where l.run_id = run and l.attempt = r.attempt and l.position > t.position)
      else not exists (
        select from jsonb_array_elements(case jsonb_typeof(r.plan -> 'steps') when 'array' then r.plan -> 'steps' end) x
        where x ->> 'id' = t.step_id and x ->> 'continue_on_error' = 'true') end);
  if action = 'resume' then
    perform simplon.act_on_run(c.id, 'resume')
    from public.agent_runs r
    join public.agent_runs c on c.parent_id = r.id and c.parent_attempt = r.attempt
    join public.agent_steps t on t.run_id = r.id and t.attempt = r.attempt and t.step_id = c.parent_step
    where r.id = run and t.status in ('pending', 'running') and c.status in ('failed', 'cancelled');
  end if;
  return 'queued';
end $$;

-- Why the run is not finished: one reason, {code, message, details?}.
create function simplon.why_run(run uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  r public.agent_runs;
  q public.agent_task_queue;
  s simplon.run_state;
  steps record;
  capped jsonb;
  ahead bigint;
begin
  select * into r from public.agent_runs a where a.id = run;
  if not found or not simplon.owns(r.user_id) then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  if r.completed_at is not null then
    return jsonb_build_object('code', 'finished', 'message', format('The run is %s.', r.status));
  elsif r.status = 'pending' then
    return jsonb_build_object('code', 'not_started', 'message', 'The run was created without starting it; send the action "start".');
  elsif r.reason is not null then
    return r.reason;
  end if;
  select * into s from simplon.run_state a where a.run_id = run;
  if s.worker is not null then
    -- A step that waits and has no time for it waits for a free sandbox, or for a run that it has made.
    select coalesce(jsonb_agg(t.step_id order by t.started_at) filter (where t.status = 'running'), '[]') as running,
      coalesce(jsonb_agg(t.step_id order by t.started_at)
        filter (where t.status = 'waiting' and t.retry_at is null and t.tool <> 'run'), '[]') as waiting,
      coalesce(jsonb_agg(t.step_id order by t.position) filter (where t.status = 'waiting' and t.effect = 'intent'), '[]')
        as asking
    into steps from public.agent_steps t where t.run_id = run and t.attempt = r.attempt;
    return case when steps.running = '[]' and steps.waiting <> '[]'
      then jsonb_build_object('code', 'sandbox',
        'message', 'A worker has the run, and all its sandboxes are taken; users take turns.')
      else jsonb_build_object('code', 'running', 'message', 'A worker has the run.') end
      || jsonb_build_object('details', jsonb_build_object(
        'lease_until', s.lease_until, 'steps', steps.running, 'steps_waiting_for_a_sandbox', steps.waiting)
        || case steps.asking when '[]' then '{}' else jsonb_build_object('steps_waiting_for_a_person', steps.asking) end);
  end if;
  select * into q from public.agent_task_queue a where a.run_id = run;
  if not exists (select from simplon.workers w where w.alive_until > clock_timestamp() and not w.draining) then
    return jsonb_build_object('code', 'no_worker', 'message', 'The run is queued and no worker is alive; start one with "simplon serve --roles worker".');
  elsif not exists (select from simplon.workers w where w.alive_until > clock_timestamp() and not w.draining
      and w.engine_version >= r.engine_version) then
    return jsonb_build_object('code', 'engine_version', 'message',
      format('The run needs engine version %s, and every living worker is older; upgrade a worker.', r.engine_version));
  end if;
  capped := simplon.cap_reason(r.user_id);
  if capped is not null then
    return capped;
  end if;
  -- A long queue is not counted to its end.
  select count(*) into ahead from (
    (select 1 from public.agent_task_queue a where a.priority > q.priority and a.ready_at <= now() limit 1000)
    union all
    (select 1 from public.agent_task_queue a
     where a.priority = q.priority and a.ready_at < least(q.ready_at, now()) limit 1000)
    limit 1000) a;
  return jsonb_build_object('code', 'queued', 'message',
    format('The run is queued with %s ahead of it.', case ahead when 1000 then '1000 or more' else ahead::text end),
    'details', jsonb_build_object('ahead', ahead));
end $$;

-- Tickets: a hash only, for one run and one principal.
create table simplon.tickets (
  hash bytea primary key,
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  claims jsonb not null,
  issued_at timestamptz not null default clock_timestamp(),
  first_used_at timestamptz,
  expires_at timestamptz not null
);
create index tickets_of_run on simplon.tickets (run_id);
create index tickets_by_expiry on simplon.tickets (expires_at);

-- Makes a ticket for a run of the caller's: good until the token's end or an hour, whichever is sooner.
create function simplon.issue_ticket(run uuid, hash bytea, token_expires timestamptz) returns timestamptz
language plpgsql security definer set search_path = ''
as $$
declare
  until timestamptz := least(token_expires, clock_timestamp() + interval '1 hour');
begin
  -- The ticket's foreign key needs this lock too; here a run that is just being deleted is one that is not there.
  if not coalesce(
      (select simplon.owns(r.user_id) from public.agent_runs r where r.id = run for key share), false) then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  insert into simplon.tickets (hash, run_id, claims, expires_at) values (hash, run, auth.jwt(), until);
  return until;
end $$;

-- The claims behind a ticket: first used within 60 s of its making, then again until it expires. No row: refused.
create function simplon.redeem_ticket(hash bytea, run uuid) returns table (claims jsonb, expires_at timestamptz)
language sql security definer set search_path = ''
as $$
  update simplon.tickets t set first_used_at = coalesce(t.first_used_at, clock_timestamp())
  where t.hash = redeem_ticket.hash and t.run_id = redeem_ticket.run and t.expires_at > clock_timestamp()
    and (t.first_used_at is not null or t.issued_at > clock_timestamp() - interval '60 seconds')
  returning t.claims, t.expires_at
$$;

revoke all on function simplon.prepare_run(), simplon.enqueue_run(), simplon.create_run(jsonb, text, bytea, integer),
  simplon.owns(uuid), simplon.lock_tree(uuid), simplon.cancel_runs(uuid[]), simplon.queue_runs(uuid[], jsonb, text),
  simplon.act_on_run(uuid, text),
  simplon.why_run(uuid), simplon.issue_ticket(uuid, bytea, timestamptz), simplon.redeem_ticket(bytea, uuid)
  from public, anon, authenticated, service_role;
grant execute on function simplon.create_run(jsonb, text, bytea, integer), simplon.act_on_run(uuid, text),
  simplon.why_run(uuid), simplon.issue_ticket(uuid, bytea, timestamptz) to authenticated, service_role;
grant execute on function simplon.redeem_ticket(bytea, uuid) to service_role;
