-- How agents do, per instance and period; shared as their instances are. Partitioned by the month in which a period
-- begins. A partition read directly knows no policy of its parent, so partitions live in simplon, where callers have no
-- rights.
create table public.agent_metrics (
  id uuid not null default simplon.uuid_v7(),
  user_id uuid,
  agent_instance_id uuid not null references public.agent_instances (id) on delete cascade,
  agent_type public.agent_type not null,
  period_start timestamptz not null,
  period_end timestamptz not null,
  tasks_completed integer not null default 0,
  tasks_failed integer not null default 0,
  success_rate double precision not null default 0,
  average_execution_time double precision not null default 0,
  average_quality_score double precision,
  -- Whether an agent said so itself; else it was computed from agent_executions.
  reported boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  primary key (id, period_start),
  constraint agent_metrics_period unique (agent_instance_id, period_start, period_end),
  constraint agent_metrics_order check (period_start < period_end),
  constraint agent_metrics_counts check (
    tasks_completed >= 0 and tasks_failed >= 0 and average_execution_time between 0 and 1e9),
  constraint agent_metrics_rates check (success_rate between 0 and 1 and average_quality_score between 0 and 1)
) partition by range (period_start);
create index agent_metrics_by_time on public.agent_metrics (period_start desc, id desc);
create index agent_metrics_of_user on public.agent_metrics (user_id);

alter table public.agent_metrics enable row level security;
alter table public.agent_metrics force row level security;
revoke all on public.agent_metrics from public, anon, authenticated, service_role;
grant select on public.agent_metrics to authenticated;
grant select, insert, update, delete on public.agent_metrics to service_role;
create policy agent_metrics_read on public.agent_metrics for select to authenticated
  using (user_id is null or (select auth.uid()) = user_id);
create policy agent_metrics_service on public.agent_metrics to service_role using (true) with check (true);

-- Computes the hours that have changed since it last did from the executions that ended in them; an hour in which none
-- has ended any more, as all were taken up again, has no row. What an agent has reported for an hour stands. Returns how
-- many rows it wrote.
create function simplon.roll_up_metrics() returns integer
language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
  written integer;
  since timestamptz;
begin
  -- Locked, so that an earlier hour that somebody asks for meanwhile is not forgotten.
  select s.value::timestamptz into since from simplon.settings s where s.name = 'metrics_since' for update;
  since := greatest(date_trunc('month', now()) - interval '1 month', since);
  insert into public.agent_metrics as m (
    user_id, agent_instance_id, agent_type, period_start, period_end, tasks_completed, tasks_failed, success_rate,
    average_execution_time, average_quality_score)
  select i.user_id, i.id, i.agent_type, h.hour, h.hour + interval '1 hour',
    count(*) filter (where e.status = 'completed'), count(*) filter (where e.status = 'failed'),
    count(*) filter (where e.status = 'completed') / count(*)::double precision,
    coalesce(avg(e.execution_time_seconds), 0), avg(e.quality_score)
  from public.agent_executions e join public.agent_instances i on i.id = e.agent_instance_id
  cross join lateral date_trunc('hour', e.completed_at) as h (hour)
  where e.completed_at >= since and e.completed_at < date_trunc('month', now()) + interval '1 month'
    and e.status in ('completed', 'failed')
  group by i.id, h.hour
  on conflict (agent_instance_id, period_start, period_end) do update set
    user_id = excluded.user_id, agent_type = excluded.agent_type, tasks_completed = excluded.tasks_completed,
    tasks_failed = excluded.tasks_failed, success_rate = excluded.success_rate,
    average_execution_time = excluded.average_execution_time, average_quality_score = excluded.average_quality_score
  where not m.reported;
  get diagnostics written = row_count;
  delete from public.agent_metrics m
  where not m.reported and m.period_start >= since and m.period_end = m.period_start + interval '1 hour'
    and not exists (
      select from public.agent_executions e
      where e.agent_instance_id = m.agent_instance_id and e.status in ('completed', 'failed')
        and e.completed_at >= m.period_start and e.completed_at < m.period_end);
  -- A transaction that ended an execution before the hour was over may be committed a little after it.
  insert into simplon.settings as s (name, value)
  values ('metrics_since', date_trunc('hour', now() - interval '10 minutes')::text)
  on conflict on constraint settings_pkey do update set value = excluded.value;
  return written;
end $$;

-- Archives the months that have been over for that long: of what was kept per hour, one row per instance and day is left.
-- Returns how many rows that made.
create function simplon.archive_metrics(older interval) returns integer
language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
  archived integer := 0;
  made integer;
  month timestamptz;
begin
  for month in select * from simplon.months_before('agent_metrics', older) loop
    with gone as (
      delete from public.agent_metrics m
      where m.period_start >= month and m.period_start < month + interval '1 month'
        and m.period_end - m.period_start < interval '1 day'
      returning m.*)
    insert into public.agent_metrics (
      user_id, agent_instance_id, agent_type, period_start, period_end, tasks_completed, tasks_failed, success_rate,
      average_execution_time, average_quality_score, reported)
    select i.user_id, i.id, i.agent_type, d.day, d.day + interval '1 day',
      least(sum(g.tasks_completed), 2147483647), least(sum(g.tasks_failed), 2147483647),
      coalesce(sum(g.tasks_completed) / nullif(sum(g.tasks_completed::bigint + g.tasks_failed), 0)::double precision, 0),
      coalesce(sum(g.average_execution_time * (g.tasks_completed::bigint + g.tasks_failed))
        / nullif(sum(g.tasks_completed::bigint + g.tasks_failed), 0), 0),
      -- Of how many tasks a mean of scores is, is not kept; each counts as all of its hour's.
      sum(g.average_quality_score * (g.tasks_completed::bigint + g.tasks_failed))
        / nullif(sum(g.tasks_completed::bigint + g.tasks_failed) filter (where g.average_quality_score is not null), 0),
      bool_or(g.reported)
    from gone g join public.agent_instances i on i.id = g.agent_instance_id
    cross join lateral date_trunc('day', g.period_start) as d (day)
    group by i.id, d.day
    -- The agent itself has reported the day.
    on conflict (agent_instance_id, period_start, period_end) do nothing;
    get diagnostics made = row_count;
    archived := archived + made;
  end loop;
  return archived;
end $$;

revoke all on function simplon.roll_up_metrics(), simplon.archive_metrics(interval)
  from public, anon, authenticated, service_role;
grant execute on function simplon.roll_up_metrics(), simplon.archive_metrics(interval) to service_role;
select simplon.make_month_partitions('agent_metrics', 1);
