-- The score of what the engine's typed tasks gave, by an evaluator that the operator names. A task that is done again
-- wants a new one.
create table simplon.evaluations (
  execution_id uuid primary key references public.agent_executions (id) on delete cascade,
  tries integer not null default 1,
  ready_at timestamptz not null
);
create index agent_executions_without_score on public.agent_executions (completed_at)
  where status = 'completed' and quality_score is null and run_id is not null;

create function simplon.forget_score() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.quality_score := null;
  delete from simplon.evaluations v where v.execution_id = new.id;
  return new;
end $$;
create trigger agent_executions_forget_score before update of status on public.agent_executions
  for each row when (old.status = 'completed' and new.status <> 'completed' and new.run_id is not null)
  execute function simplon.forget_score();

-- Hands out tasks of the last day that have no score, the oldest first; each again after a while, longer each time,
-- eight times at most.
create function simplon.take_evaluations(most integer)
returns table (execution_id uuid, completed_at timestamptz, task jsonb)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  with due as materialized (
    select e.id from public.agent_executions e left join simplon.evaluations v on v.execution_id = e.id
    where e.status = 'completed' and e.quality_score is null and e.run_id is not null
      and e.completed_at > now() - interval '1 day'
      and (v.execution_id is null or v.tries < 8 and v.ready_at <= clock_timestamp())
    order by e.completed_at limit most for update of e skip locked),
  taken as (
    insert into simplon.evaluations as v (execution_id, ready_at)
    select d.id, clock_timestamp() + interval '1 minute' from due d
    on conflict (execution_id) do update set tries = v.tries + 1,
      ready_at = clock_timestamp() + least(interval '1 hour', interval '1 minute' * 2 ^ v.tries)
    returning v.execution_id)
  select e.id, e.completed_at, jsonb_build_object(
    'task_id', e.task_id, 'run_id', e.run_id, 'agent_id', i.agent_id, 'agent_type', e.agent_type,
    'task_type', e.task_type, 'input_data', e.input_data, 'output_data', e.output_data,
    'execution_time_seconds', e.execution_time_seconds)
  from taken t join public.agent_executions e on e.id = t.execution_id
  left join public.agent_instances i on i.id = e.agent_instance_id
  order by e.completed_at;
end $$;

-- Keeps the score of what was handed out, unless it was done again meanwhile or has one; the hour in which it ended is
-- then computed again.
create function simplon.store_score(execution uuid, ended timestamptz, score double precision) returns boolean
language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
begin
  update public.agent_executions e set quality_score = score
  where e.id = execution and e.completed_at = ended and e.status = 'completed' and e.quality_score is null;
  if not found then
    return false;
  end if;
  delete from simplon.evaluations v where v.execution_id = execution;
  update simplon.settings s set value = date_trunc('hour', ended)::text
  where s.name = 'metrics_since' and s.value::timestamptz > date_trunc('hour', ended);
  return true;
end $$;

revoke all on simplon.evaluations from public, anon, authenticated, service_role;
revoke all on function simplon.forget_score(), simplon.take_evaluations(integer),
  simplon.store_score(uuid, timestamptz, double precision) from public, anon, authenticated, service_role;
grant execute on function simplon.take_evaluations(integer),
  simplon.store_score(uuid, timestamptz, double precision) to service_role;
