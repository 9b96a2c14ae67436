-- What workers do to runs. Every write first takes the run's run_state row where the epoch matches; what follows reads
-- from that update, so a worker that lost its lease writes nothing, whatever it sends. The busy ones are in PL/pgSQL, which
-- keeps their plans (a function in SQL is planned at each call), and look rows up by their keys whatever the statistics
-- say: a batch is small, and the planner, who cannot know it, would read all of a table that has grown.

-- Says that a worker process lives.
create function simplon.report_worker(
  worker uuid, name text, version text, engine integer, slots integer, running integer, sandbox text,
  draining boolean, lease interval)
returns void
language sql security definer set search_path = ''
as $$
  insert into simplon.workers as w (id, name, version, engine_version, slots, running, sandbox, draining, alive_until)
  values (worker, name, version, engine, slots, running, sandbox, draining, clock_timestamp() + lease)
  on conflict (id) do update set running = excluded.running, sandbox = excluded.sandbox, draining = excluded.draining,
    alive_until = excluded.alive_until
$$;

-- Says that a worker process has ended.
create function simplon.retire_worker(worker uuid) returns void
language sql security definer set search_path = ''
as $$ delete from simplon.workers w where w.id = worker $$;

-- Renews the leases of these runs where the worker has not lost them; gives the ones it still holds. Only the worker
-- knows what it executes: a run that it was given and never heard of must come back. Rows are locked in the order in
-- which simplon.settle_steps locks them.
create function simplon.renew_leases(worker uuid, runs uuid[], lease interval) returns table (run_id uuid, epoch integer)
language sql security definer set search_path = ''
as $$
  with mine as materialized (
    select s.run_id from simplon.run_state s
    where s.run_id = any (runs) and s.worker = renew_leases.worker and s.lease_until > clock_timestamp()
    order by s.run_id for update)
  update simplon.run_state s set lease_until = clock_timestamp() + lease
  from mine m where s.run_id = m.run_id
  returning s.run_id, s.epoch
$$;

-- Puts runs whose worker let the lease run out back into the queue; gives them.
create function simplon.recover_runs(most integer default 1000) returns setof uuid
language sql security definer set search_path = ''
as $$
  with lost as materialized (
    select s.run_id from simplon.run_state s
    where s.worker is not null and s.lease_until < clock_timestamp() limit most for update skip locked),
  state as (
    update simplon.run_state s set epoch = s.epoch + 1, worker = null, lease_until = null
    from lost l where s.run_id = l.run_id returning s.run_id)
  select simplon.queue_runs(array(select s.run_id from state s), '{"cause": "lease_lost"}', 'warn')
$$;

-- Appends lines of tools to one run's log; gives the next number. `base` is the number the first of them gets: an append
-- whose outcome was unknown can be sent again and is written once. The lines come as text, since putting the JSON together
-- here costs a fifth of reading it.
create function simplon.append_lines(
  run uuid, epoch integer, base bigint, levels text[], steps text[], streams text[], texts text[], damaged boolean[])
returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  owner uuid;
begin
  update simplon.run_state s set next_seq = base + cardinality(texts)
  where s.run_id = run and s.epoch = append_lines.epoch and s.next_seq = base and s.worker is not null
  returning s.user_id into owner;
  if not found then
    raise exception 'run % is no longer held in epoch %, or its log has moved on', run, epoch using errcode = 'SIM01';
  end if;
  insert into public.agent_task_logs (run_id, seq, user_id, level, kind, payload)
  select run, base + l.position - 1, owner, l.level, 'log',
    case when l.damaged
      then jsonb_object(array['step_id', 'stream', 'text'], array[l.step, l.stream, l.text]) || '{"damaged": true}'
      else jsonb_object(array['step_id', 'stream', 'text'], array[l.step, l.stream, l.text]) end
  from unnest(levels, steps, streams, texts, damaged) with ordinality as l (level, step, stream, text, damaged, position);
  return base + cardinality(texts);
end $$;

-- Settles and dispatches steps, appends events, stores artifacts and ends or parks runs: a batch over many runs in one
-- commit. Each entry: {run_id, epoch, base, attempt, steps[], messages[], events[], artifacts[], outcome?}; a step that was
-- begun in the same write and is more by now says so, by "begun"; an outcome ends
-- the lease unless it says "hold", and queues the run again when it says "ready_in_ms". Gives the runs that were
-- written; an entry whose run is held by another by now, or whose base is not the next number, is left out whole.
create function simplon.settle_steps(batch jsonb) returns table (run_id uuid, next_seq bigint)
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  written uuid[];
  numbers bigint[];
begin
  with entry as materialized (
    select e.*, coalesce(jsonb_array_length(e.events), 0) as added
    from jsonb_to_recordset(batch) as e (
      run_id uuid, epoch integer, base bigint, attempt integer, steps jsonb, messages jsonb, events jsonb, artifacts jsonb,
      outcome jsonb)),
  -- In one order, so that two batches, or a batch and a heartbeat, never wait for each other in a circle.
  locked as materialized (
    select s.run_id from simplon.run_state s join entry e on e.run_id = s.run_id order by s.run_id for update of s),
  held as (
    update simplon.run_state s set
      next_seq = s.next_seq + e.added,
      worker = case when e.outcome is null or e.outcome ? 'hold' then s.worker end,
      lease_until = case when e.outcome is null or e.outcome ? 'hold' then s.lease_until end
    from entry e join locked l on l.run_id = e.run_id
    where s.run_id = e.run_id and s.epoch = e.epoch and s.next_seq = e.base and s.worker is not null
    returning s.run_id, s.user_id, s.next_seq, e.epoch, e.base, e.attempt, e.steps, e.messages, e.events),
  steps as (
    insert into public.agent_steps as t (
      run_id, attempt, step_id, user_id, position, tool, status, effect, input, output, error, epoch, failures, retry_at,
      layer, started_at, completed_at)
    select h.run_id, h.attempt, x.step_id, h.user_id, x.position, x.tool, x.status, x.effect, x.input, x.output, x.error, h.epoch,
      coalesce(x.failures, 0), clock_timestamp() + x.retry_in_ms * interval '1 millisecond', x.layer,
      case when x.status = 'running' or x.begun then clock_timestamp() end,
      case when x.status in ('completed', 'failed', 'skipped', 'cancelled') then clock_timestamp() end
    from held h cross join lateral jsonb_to_recordset(h.steps) as x (
      step_id text, position integer, tool text, status text, effect text, input jsonb, output jsonb, error jsonb, failures integer,
      retry_in_ms bigint, layer text, begun boolean)
    on conflict (run_id, attempt, step_id) do update set
      status = excluded.status, effect = excluded.effect, epoch = excluded.epoch,
      input = coalesce(excluded.input, t.input), output = excluded.output, error = excluded.error,
      failures = excluded.failures, retry_at = excluded.retry_at, layer = excluded.layer,
      started_at = coalesce(excluded.started_at, t.started_at), completed_at = excluded.completed_at,
      updated_at = clock_timestamp()),
  messages as (
    insert into public.agent_messages (run_id, attempt, position, user_id, role, content, raw)
    select h.run_id, h.attempt, x.position, h.user_id, x.role, x.content, convert_to(x.raw, 'UTF8')
    from held h cross join lateral jsonb_to_recordset(h.messages) as x (
      position integer, role text, content jsonb, raw text)),
  events as (
    insert into public.agent_task_logs (run_id, seq, user_id, level, kind, payload)
    select h.run_id, h.base + x.position - 1, h.user_id, coalesce(x.event ->> 'level', 'info'), x.event ->> 'kind',
      x.event -> 'payload'
    from held h cross join lateral jsonb_array_elements(h.events) with ordinality as x (event, position))
  select array_agg(h.run_id), array_agg(h.next_seq) into written, numbers from held h;
  return query select * from unnest(written, numbers);

  -- What most writes have nothing of would cost them a third of their time.
  if not batch @? '$[*] ? (exists (@.outcome) || exists (@.artifacts))' then
    return;
  end if;
  with held as materialized (
    select e.*, s.user_id
    from jsonb_to_recordset(batch) as e (run_id uuid, epoch integer, attempt integer, artifacts jsonb, outcome jsonb)
    join simplon.run_state s on s.run_id = e.run_id where e.run_id = any (written)),
  artifacts as (
    insert into public.agent_artifacts (id, run_id, attempt, user_id, path, size, mime, sha256)
    select x.id, h.run_id, h.attempt, h.user_id, x.path, x.size, x.mime, x.sha256
    from held h cross join lateral jsonb_to_recordset(h.artifacts) as x (
      id uuid, path text, size bigint, mime text, sha256 text)
    on conflict (run_id, attempt, path) do update set
      size = excluded.size, mime = excluded.mime, sha256 = excluded.sha256),
  -- A run that went on may no longer make a file that it made before.
  gone as (
    delete from public.agent_artifacts a using held h
    where a.run_id = h.run_id and a.attempt = h.attempt and h.epoch > 1
      and h.outcome ->> 'status' in ('completed', 'failed')
      and not exists (select from jsonb_array_elements(h.artifacts) x where x ->> 'path' = a.path)),
  queued as (
    insert into public.agent_task_queue (run_id, user_id, priority, engine_version, epoch, ready_at)
    select h.run_id, h.user_id, r.priority, r.engine_version, h.epoch,
      clock_timestamp() + (h.outcome ->> 'ready_in_ms')::integer * interval '1 millisecond'
    from held h join public.agent_runs r on r.id = h.run_id where h.outcome ? 'ready_in_ms'
    on conflict (run_id) do update set epoch = excluded.epoch, ready_at = excluded.ready_at)
  update public.agent_runs r set
    status = (h.outcome ->> 'status')::public.task_status, reason = nullif(h.outcome -> 'reason', 'null'),
    result = nullif(h.outcome -> 'result', 'null'), error = nullif(h.outcome -> 'error', 'null'),
    updated_at = clock_timestamp(),
    completed_at = case when h.outcome ->> 'status' in ('completed', 'failed', 'cancelled') then clock_timestamp() end
  from held h where r.id = h.run_id and h.outcome is not null;
end $$;

-- Queues the runs that wait for that reason, which a worker says is gone for these models; gives them.
create function simplon.queue_waiting(reason text, models text[], most integer default 1000) returns setof uuid
language sql security definer set search_path = ''
as $$
  select simplon.queue_runs(
    array(
      select s.run_id from simplon.run_state s join public.agent_runs r on r.id = s.run_id
      where r.status = 'waiting' and r.reason is not null and r.reason ->> 'code' = queue_waiting.reason
        and (r.model is null or r.model = any (models))
      order by s.run_id limit most for no key update of s, r skip locked),
    jsonb_build_object('cause', queue_waiting.reason))
$$;

-- For how many seconds the oldest transaction in this database has been open. What others' sessions do, only who may read
-- all statistics sees, as "postgres" may on Supabase; for any other owner it is null.
create function simplon.oldest_transaction_seconds() returns numeric
language sql stable security definer set search_path = ''
as $$
  select round(extract(epoch from clock_timestamp() - min(a.xact_start))::numeric, 3) from pg_catalog.pg_stat_activity a
  where a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.datname = current_database()
$$;

-- Clears what time has made useless: dead workers' rows and tickets that have expired.
create function simplon.sweep() returns void
language sql security definer set search_path = ''
as $$
  delete from simplon.workers w where w.alive_until < clock_timestamp() - interval '1 day';
  delete from simplon.tickets t where t.hash in (
    select o.hash from simplon.tickets o where o.expires_at < clock_timestamp() - interval '1 day' for update skip locked);
$$;

-- Deletes up to that many of the runs that ended longest ago, if that long ago, each with all that is its own; gives how
-- many. It waits for nobody: a run that somebody has a hand on, such as a retry, is left for another time. Whoever comes to
-- one of these runs meanwhile does wait, and then finds it gone.
create function simplon.delete_runs(older interval, most integer) returns integer
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off
as $$
declare
  deleted integer;
begin
  with old as materialized (
    select r.id from public.agent_runs r join simplon.run_state s on s.run_id = r.id
    where r.completed_at < now() - older
    order by r.completed_at limit most for update of s, r skip locked)
  delete from public.agent_runs r using old where r.id = old.id;
  get diagnostics deleted = row_count;
  return deleted;
end $$;

-- Records a fact about this database once; gives the value that stands.
create function simplon.settle_setting(name text, value text) returns text
language sql security definer set search_path = ''
as $$
  insert into simplon.settings as s (name, value) values (settle_setting.name, settle_setting.value)
  on conflict (name) do update set value = s.value returning s.value
$$;

-- Whether the caller is the one to do a thing that all workers together do once in a while.
create function simplon.take_turn(name text, pause interval) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  insert into simplon.settings as s (name, value) values ('turn:' || take_turn.name, clock_timestamp()::text)
  on conflict on constraint settings_pkey do update set value = excluded.value
  -- A clock that was set back has turns in its future, which nobody would wait out.
  where s.value::timestamptz < clock_timestamp() - pause or s.value::timestamptz > clock_timestamp();
  return found;
end $$;

revoke all on function
  simplon.report_worker(uuid, text, text, integer, integer, integer, text, boolean, interval),
  simplon.renew_leases(uuid, uuid[], interval),
  simplon.retire_worker(uuid),
  simplon.recover_runs(integer), simplon.queue_waiting(text, text[], integer),
  simplon.append_lines(uuid, integer, bigint, text[], text[], text[], text[], boolean[]),
  simplon.settle_steps(jsonb), simplon.oldest_transaction_seconds(), simplon.sweep(), simplon.delete_runs(interval, integer),
  simplon.settle_setting(text, text), simplon.take_turn(text, interval)
  from public, anon, authenticated, service_role;
grant execute on function
  simplon.report_worker(uuid, text, text, integer, integer, integer, text, boolean, interval),
  simplon.renew_leases(uuid, uuid[], interval),
  simplon.retire_worker(uuid),
  simplon.recover_runs(integer), simplon.queue_waiting(text, text[], integer),
  simplon.append_lines(uuid, integer, bigint, text[], text[], text[], text[], boolean[]),
  simplon.settle_steps(jsonb), simplon.oldest_transaction_seconds(), simplon.sweep(), simplon.delete_runs(interval, integer),
  simplon.settle_setting(text, text), simplon.take_turn(text, interval)
  to service_role;
