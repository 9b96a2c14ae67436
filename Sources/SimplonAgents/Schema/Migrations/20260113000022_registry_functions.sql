-- Typed tasks, and what agents that run elsewhere report. What the service alone writes needs no function: it has grants.
-- SIM20 not the caller's right, SIM21 no such agent, SIM22 the agent's state, SIM23 no such execution, SIM24 the execution's
-- state.

-- The instance of that name, if the caller may see it: the words of its policy, for functions that step over it.
create function simplon.find_agent(agent text) returns public.agent_instances
language plpgsql stable security definer set search_path = ''
as $$
declare
  found_one public.agent_instances;
begin
  select i.* into found_one from public.agent_instances i
  where i.agent_id = agent and (i.user_id is null or simplon.owns(i.user_id));
  if not found then
    raise exception 'there is no agent "%" that you may see', left(agent, 200) using errcode = 'SIM21';
  end if;
  return found_one;
end $$;

-- Makes a run that is a typed task of an agent, and its execution, or finds those made with the same key and body.
create function simplon.create_task(request jsonb, idempotency_key text, request_hash bytea, engine integer default 1)
returns table (run_id uuid, status text, created_at timestamptz, is_new boolean, task_id text)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  instance public.agent_instances := simplon.find_agent(request ->> 'agent');
  task text := coalesce(request ->> 'task_id', simplon.uuid_v7()::text);
  made record;
begin
  if instance.status = 'maintenance' then
    raise exception 'the agent "%" is in maintenance and takes no tasks', instance.agent_id using errcode = 'SIM22';
  end if;
  if (request ->> 'priority')::integer > 0 and auth.role() is distinct from 'service_role' then
    raise exception 'a priority above 0 is the service''s to give' using errcode = 'SIM20';
  end if;
  select c.* into made from simplon.create_run(
    request || jsonb_build_object('task_id', task), create_task.idempotency_key, create_task.request_hash, engine) c;
  if made.is_new then
    insert into public.agent_executions (
      task_id, run_id, agent_instance_id, agent_type, task_type, input_data, status, user_id, session_id)
    values (
      task, made.run_id, instance.id, instance.agent_type, request #>> '{task,task_type}',
      coalesce(request #> '{task,input_data}', '{}'), made.status::public.task_status, auth.uid(),
      request #>> '{task,session_id}')
    on conflict (task_id) do nothing;
    if not found then
      raise exception 'the task_id "%" is taken', task using errcode = 'SIM24', hint = 'Choose another, or none.';
    end if;
  end if;
  return query select made.run_id, made.status, made.created_at, made.is_new, r.task_id
    from public.agent_runs r where r.id = made.run_id;
end $$;

-- What becomes of a run becomes of its execution, in the same commit. A run that goes on or begins again opens it again.
create function simplon.follow_run() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update public.agent_executions e set
    status = new.status, output_data = new.result, error = new.error, completed_at = new.completed_at,
    started_at = case when new.status = 'running' then coalesce(e.started_at, clock_timestamp())
      when old.completed_at is null then e.started_at end,
    -- Clocks may go back, and the check of the column must not stop a run.
    execution_time_seconds = case when new.completed_at is not null and e.started_at is not null
      then least(1e9, greatest(0, extract(epoch from new.completed_at - e.started_at))) end
  where e.task_id = new.task_id and e.run_id = new.id;
  -- The hour in which it had ended is computed again, without it; see simplon.roll_up_metrics.
  if old.completed_at is not null and new.completed_at is null then
    update simplon.settings s set value = date_trunc('hour', old.completed_at, 'UTC')::text
    where s.name = 'metrics_since' and s.value::timestamptz > date_trunc('hour', old.completed_at, 'UTC');
  end if;
  return null;
end $$;
create trigger agent_runs_follow after update of status on public.agent_runs
  for each row when (new.task_id is not null and old.status is distinct from new.status)
  execute function simplon.follow_run();

-- Takes the report of an execution that is not the engine's. Returns whether it is new; the same again is not.
create function simplon.report_execution(request jsonb) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  instance public.agent_instances := simplon.find_agent(request ->> 'agent_id');
  is_service boolean := coalesce(auth.role() = 'service_role', false);
  person uuid := case when is_service then (request ->> 'user_id')::uuid else auth.uid() end;
  state public.task_status := coalesce(request ->> 'status', 'pending');
  has_ended boolean := state in ('completed', 'failed', 'cancelled');
begin
  if not simplon.owns(instance.user_id) then
    raise exception 'only the service, or its owner, reports what the agent "%" does', instance.agent_id
      using errcode = 'SIM20';
  end if;
  if request ? 'user_id' and (request ->> 'user_id')::uuid is distinct from person then
    raise exception 'only the service reports for other users' using errcode = 'SIM20';
  end if;
  insert into public.agent_executions (
    task_id, agent_instance_id, agent_type, task_type, input_data, output_data, error, status, quality_score,
    execution_time_seconds, user_id, session_id, started_at, completed_at)
  values (
    request ->> 'task_id', instance.id, instance.agent_type, request ->> 'task_type',
    coalesce(request -> 'input_data', '{}'), request -> 'output_data', request -> 'error', state,
    (request ->> 'quality_score')::double precision, (request ->> 'execution_time_seconds')::double precision, person,
    request ->> 'session_id', case when state = 'running' then clock_timestamp() end,
    case when has_ended then clock_timestamp() end)
  on conflict (task_id) do nothing;
  if found then
    return true;
  end if;
  if not exists (
    select from public.agent_executions e
    where e.task_id = request ->> 'task_id' and e.run_id is null and e.agent_instance_id = instance.id
      and e.task_type = request ->> 'task_type' and e.user_id is not distinct from person
      and e.input_data = coalesce(request -> 'input_data', '{}')) then
    raise exception 'the task_id "%" is taken', request ->> 'task_id'
      using errcode = 'SIM24', hint = 'Choose another one.';
  end if;
  return false;
end $$;

-- Takes what has become of a reported execution; one that has ended is not changed again. Rows are locked in this order:
-- execution, instance (see simplon.count_executions).
create function simplon.change_execution(task text, changes jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  e public.agent_executions;
  state public.task_status;
begin
  select x.* into e from public.agent_executions x where x.task_id = task and simplon.owns(x.user_id) for update;
  if not found then
    raise exception 'there is no execution "%" of yours', left(task, 200) using errcode = 'SIM23';
  end if;
  if auth.role() is distinct from 'service_role' and not exists (
    select from public.agent_instances i where i.id = e.agent_instance_id and simplon.owns(i.user_id)) then
    raise exception 'only the service, or the agent''s owner, changes the execution "%"', task using errcode = 'SIM20';
  end if;
  if e.run_id is not null then
    raise exception 'the execution "%" is the engine''s and follows its run', task
      using errcode = 'SIM24', hint = 'Act on the run: POST /agent/execute.';
  end if;
  if e.status in ('completed', 'failed', 'cancelled') then
    raise exception 'the execution "%" is % and is not changed again', task, e.status using errcode = 'SIM24';
  end if;
  state := coalesce((changes ->> 'status')::public.task_status, e.status);
  e.started_at := case when state = 'running' then coalesce(e.started_at, clock_timestamp()) else e.started_at end;
  e.completed_at := case when state in ('completed', 'failed', 'cancelled') then clock_timestamp() end;
  update public.agent_executions x set
    status = state, output_data = coalesce(changes -> 'output_data', e.output_data),
    error = coalesce(changes -> 'error', e.error),
    quality_score = coalesce((changes ->> 'quality_score')::double precision, e.quality_score),
    execution_time_seconds = coalesce((changes ->> 'execution_time_seconds')::double precision,
      e.execution_time_seconds, case when e.completed_at is not null and e.started_at is not null
        then greatest(0, extract(epoch from e.completed_at - e.started_at)) end),
    started_at = e.started_at, completed_at = e.completed_at
  where x.id = e.id;
end $$;

-- Takes an agent's own figures for a period, in the place of those that were there; gives the row's id.
create function simplon.report_metrics(request jsonb) returns uuid
language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
  instance public.agent_instances := simplon.find_agent(request ->> 'agent_id');
  begins timestamptz := request ->> 'period_start';
  ends timestamptz := request ->> 'period_end';
  completed integer := coalesce((request ->> 'tasks_completed')::integer, 0);
  failed integer := coalesce((request ->> 'tasks_failed')::integer, 0);
  stored uuid;
begin
  if not simplon.owns(instance.user_id) then
    raise exception 'only the service, or its owner, reports what the agent "%" does', instance.agent_id
      using errcode = 'SIM20';
  end if;
  if begins >= ends or ends - begins > interval '31 days' then
    raise exception '"period_end" must be after "period_start", by 31 days at most' using errcode = 'SIM05';
  end if;
  if to_regclass('simplon.agent_metrics_' || to_char(begins, 'YYYY_MM')) is null then
    raise exception 'there is no place for metrics of %', to_char(begins, 'YYYY-MM')
      using errcode = 'SIM05', hint = 'Metrics are taken from the month before this one on.';
  end if;
  insert into public.agent_metrics as m (
    user_id, agent_instance_id, agent_type, period_start, period_end, tasks_completed, tasks_failed, success_rate,
    average_execution_time, average_quality_score, reported)
  values (
    instance.user_id, instance.id, instance.agent_type, begins, ends, completed, failed,
    coalesce((request ->> 'success_rate')::double precision,
      completed / nullif(completed::double precision + failed, 0), 0),
    coalesce((request ->> 'average_execution_time')::double precision, 0),
    (request ->> 'average_quality_score')::double precision, true)
  on conflict (agent_instance_id, period_start, period_end) do update set
    user_id = excluded.user_id, agent_type = excluded.agent_type, tasks_completed = excluded.tasks_completed,
    tasks_failed = excluded.tasks_failed, success_rate = excluded.success_rate,
    average_execution_time = excluded.average_execution_time, average_quality_score = excluded.average_quality_score,
    reported = true
  returning m.id into stored;
  update public.agent_instances i set
    status = case i.status when 'offline' then 'idle' else i.status end, last_activity = clock_timestamp()
  where i.id = instance.id;
  return stored;
end $$;

revoke all on function simplon.find_agent(text), simplon.create_task(jsonb, text, bytea, integer), simplon.follow_run(),
  simplon.report_execution(jsonb), simplon.change_execution(text, jsonb), simplon.report_metrics(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function simplon.create_task(jsonb, text, bytea, integer), simplon.report_execution(jsonb),
  simplon.change_execution(text, jsonb), simplon.report_metrics(jsonb) to authenticated, service_role;
