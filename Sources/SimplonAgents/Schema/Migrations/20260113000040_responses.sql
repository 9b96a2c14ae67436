-- What people say to a run's questions: whether a call may be made, and what the tool `ask` asks for. An open question is
-- a step that waits with effect `intent`; `retry_at` is when the time to respond is over. The response stands in the
-- step's row: it is written once, under the lock of that row, by a person or by time, whichever comes first. So it is lost
-- by no crash, and a worker takes it in whenever it takes up the run. A call of which nobody knows whether it happened is
-- put to a person too: its step waits with effect `unknown`, no time ends that, and whoever has looked says how it was.

-- Writes down what the caller says to a step's question, and queues the run where nobody has it. Gives the run's status.
-- A worker that has the run, as other steps go on, looks for it by itself: an event would take the next number from it. A
-- step whose effect is unknown is settled here, or made pending to be done again.
create function simplon.respond_to_run(run uuid, step text, response jsonb) returns text
language plpgsql security definer set search_path = ''
as $$
declare
  state simplon.run_state;
  r public.agent_runs;
  asked public.agent_steps;
  given jsonb;
  is_unknown boolean;
  -- What is said of a call that may have happened, and of no question.
  is_finding boolean := coalesce(response ->> 'decision' in ('happened', 'again'), false);
  has_happened boolean := coalesce(response ->> 'decision' = 'happened', false);
begin
  if not coalesce((select simplon.owns(a.user_id) from public.agent_runs a where a.id = run), false) then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  -- run_state is locked before all else; see simplon.claim_runs.
  select s.* into state from simplon.run_state s where s.run_id = run for update;
  select a.* into r from public.agent_runs a where a.id = run for update;
  if not found then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  if r.completed_at is not null then
    raise exception 'the run is %, and asks nobody any more', r.status using errcode = 'SIM02';
  end if;
  select t.* into asked from public.agent_steps t
  where t.run_id = run and t.attempt = r.attempt and t.step_id = step for update;
  is_unknown := coalesce(asked.status = 'waiting' and asked.effect = 'unknown', false);
  if (response ->> 'attempt')::integer <> r.attempt then
    raise exception 'step "%" was asked in an attempt that is over', step
      using errcode = 'SIM02', hint = 'Look what it asks now.';
  elsif asked.response is not null and not is_unknown then
    raise exception 'somebody has responded to step "%" already', step
      using errcode = 'SIM02', hint = 'A response stands; the step shows it.';
  elsif asked.step_id is null or asked.status <> 'waiting' or asked.effect not in ('intent', 'unknown') then
    raise exception 'step "%" asks nobody anything now', left(step, 128)
      using errcode = 'SIM02', hint = 'Look which step asks: the run''s status, with its steps.';
  elsif asked.retry_at <= clock_timestamp() then
    raise exception 'the time to respond to step "%" was over at %', step, asked.retry_at using errcode = 'SIM02';
  elsif is_unknown and not is_finding then
    raise exception 'nobody knows whether the call of step "%" happened: send "decision", happened or again', step
      using errcode = 'SIM05';
  elsif not is_unknown and (is_finding or (asked.tool = 'ask') <> (response ? 'answer')) then
    raise exception 'step "%" asks for %', step,
      case when asked.tool = 'ask' then 'an answer: send "answer"'
        else 'a decision: send "decision", approve or deny' end
      using errcode = 'SIM05';
  elsif is_unknown and state.worker is not null then
    -- Another step's response has queued it; the worker has read this step as it is, and would write over what is said.
    raise exception 'a worker is just taking the run up' using errcode = 'SIM02', hint = 'Send it again in a moment.';
  end if;

  given := (response - 'attempt' - 'output')
    || jsonb_build_object('by', auth.uid(), 'role', auth.role(), 'at', clock_timestamp());
  update public.agent_steps t set response = given, updated_at = clock_timestamp()
  where t.run_id = run and t.attempt = r.attempt and t.step_id = step;
  if is_unknown then
    update public.agent_steps t set
      status = case when has_happened then 'completed' else 'pending' end,
      effect = case when has_happened then 'settled' else 'none' end,
      output = case when has_happened then nullif(respond_to_run.response -> 'output', 'null') end, error = null,
      failures = case when has_happened then t.failures else 0 end,
      completed_at = case when has_happened then clock_timestamp() end
    where t.run_id = run and t.attempt = r.attempt and t.step_id = step;
  end if;
  if is_unknown and has_happened then
    update simplon.run_state s set next_seq = s.next_seq + 1 where s.run_id = run;
    insert into public.agent_task_logs (run_id, seq, user_id, kind, payload)
    values (run, state.next_seq, r.user_id, 'step',
      jsonb_build_object('step_id', step, 'status', 'completed', 'response', given));
  end if;
  insert into public.observability_events (user_id, event, resource, resource_id, changed, actor_role, actor_id)
  values (r.user_id, 'run.responded', 'agent_runs', run::text, '{response}', auth.role(), auth.uid());
  if state.worker is not null then
    return r.status;
  end if;
  perform simplon.queue_runs(
    array[run], jsonb_build_object('action', 'respond', 'step_id', step, 'response', given));
  return 'queued';
end $$;

-- What has been said to the open questions of a run's attempt. Those whose time is over are closed here: a person and time
-- compete for the same row, so exactly one of them has the word.
create function simplon.hear_responses(run uuid, attempt integer) returns table (step_id text, response jsonb)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  update public.agent_steps t set updated_at = clock_timestamp(),
    response = jsonb_build_object('decision', 'expired', 'at', t.retry_at)
  where t.run_id = run and t.attempt = hear_responses.attempt and t.status = 'waiting' and t.effect = 'intent'
    and t.response is null and t.retry_at <= clock_timestamp();
  return query select t.step_id, t.response from public.agent_steps t
  where t.run_id = run and t.attempt = hear_responses.attempt and t.status = 'waiting' and t.effect = 'intent'
    and t.response is not null;
end $$;

-- A run that waits for a person stands in the queue until the first moment at which there is something to do: at once
-- where somebody responded while its worker still had it, else when the first question expires or a repeat is due. It adds
-- to the reason when the time to respond is over.
create function simplon.park_for_person() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  expires timestamptz;
  due timestamptz;
begin
  select min(t.retry_at) filter (where t.step_id = new.reason #>> '{details,step_id}'),
    case when bool_or(t.response is not null and t.effect = 'intent') then clock_timestamp() else min(t.retry_at) end
  into expires, due
  from public.agent_steps t
  where t.run_id = new.id and t.attempt = new.attempt and t.status = 'waiting' and t.retry_at is not null;
  update public.agent_runs a
  set reason = jsonb_set(a.reason, '{details,expires_at}', coalesce(to_jsonb(expires), 'null'))
  where a.id = new.id;
  insert into public.agent_task_queue (run_id, user_id, priority, engine_version, epoch, ready_at)
  select new.id, new.user_id, new.priority, new.engine_version, s.epoch, coalesce(due, clock_timestamp())
  from simplon.run_state s where s.run_id = new.id
  on conflict (run_id) do update set epoch = excluded.epoch, ready_at = excluded.ready_at;
  return null;
end $$;
-- The first condition is all that it costs any other run.
create trigger agent_runs_park_for_person after update of status on public.agent_runs
  for each row when (new.status = 'waiting' and new.reason ->> 'code' in ('approval', 'answer')
    and not new.reason -> 'details' ? 'expires_at')
  execute function simplon.park_for_person();

revoke all on function simplon.respond_to_run(uuid, text, jsonb), simplon.hear_responses(uuid, integer),
  simplon.park_for_person() from public, anon, authenticated, service_role;
grant execute on function simplon.respond_to_run(uuid, text, jsonb) to authenticated, service_role;
grant execute on function simplon.hear_responses(uuid, integer) to service_role;
