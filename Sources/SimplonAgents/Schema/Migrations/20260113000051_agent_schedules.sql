-- Schedules: what to run for their owner, and when. Times of cron are local times of a zone, by PostgreSQL's own data.
-- SIM53 no such schedule; SIM05, SIM51 and SIM52 as before.
create table public.agent_schedules (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid default auth.uid(),
  -- As whom it runs: never the token.
  owner_claims jsonb not null,
  name text not null,
  cron text,
  -- The numbers that the five fields stand for.
  fields jsonb,
  every_seconds integer check (every_seconds between 10 and 31536000),
  time_zone text not null default 'UTC',
  -- What create takes: {prompt | plan | workflow, inputs?, …}.
  run jsonb not null,
  missed text not null default 'skip' check (missed in ('skip', 'once', 'all')),
  overlap text not null default 'skip' check (overlap in ('skip', 'allow', 'replace')),
  starts_at timestamptz,
  ends_at timestamptz,
  enabled boolean not null default true,
  next_due timestamptz,
  -- How many runs in a row were made late.
  late integer not null default 0,
  last_due timestamptz,
  last_run uuid,
  last_error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint agent_schedules_one_rhythm check (num_nonnulls(cron, every_seconds) = 1 and (cron is null) = (fields is null)),
  constraint agent_schedules_sizes check (
    octet_length(name) <= 200 and octet_length(run::text) <= 8388608 and octet_length(fields::text) <= 1000)
);
create unique index agent_schedules_by_name on public.agent_schedules
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), name);
create index agent_schedules_of_user on public.agent_schedules (user_id, id desc);
create index agent_schedules_due on public.agent_schedules (next_due) where enabled and next_due is not null;

-- The first moment after another at which cron's fields match the clock of a zone; null when there is none within eight
-- years, the longest that a 29 February keeps one waiting. A local time that is left out when clocks go forward is taken
-- by the offset before; one that comes twice is the first of both, or both where the hour is any (RFC 5545, 3.3.5).
create function simplon.next_cron(fields jsonb, zone text, after timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  minutes integer[] := array(select x::integer from jsonb_array_elements_text(fields -> 'minute') x);
  hours integer[] := array(select x::integer from jsonb_array_elements_text(fields -> 'hour') x);
  month_days integer[] := array(select x::integer from jsonb_array_elements_text(fields -> 'day') x);
  months integer[] := array(select x::integer from jsonb_array_elements_text(fields -> 'month') x);
  weekdays integer[] := array(select x::integer from jsonb_array_elements_text(fields -> 'weekday') x);
  is_either boolean := (fields ->> 'either_day')::boolean;
  is_any_hour boolean := (fields ->> 'any_hour')::boolean;
  here timestamp := after at time zone zone;
  candidate date := here::date - 1;
  horizon date := candidate + 3000;
  dates date[] := '{}';
  fits_month boolean;
  fits_week boolean;
  soonest timestamptz;
begin
  while candidate < horizon and cardinality(dates) < 4 loop
    if extract(month from candidate)::integer = any (months) then
      fits_month := extract(day from candidate)::integer = any (month_days);
      fits_week := extract(dow from candidate)::integer = any (weekdays);
      if (case when is_either then fits_month or fits_week else fits_month and fits_week end) then
        dates := dates || candidate;
      end if;
    end if;
    candidate := candidate + 1;
  end loop;
  -- Clocks go back by three hours at most, so what was local before that is over.
  with clock as materialized (
    select d.day + make_interval(hours => h.hour, mins => m.minute) as at
    from unnest(dates) as d (day) cross join unnest(hours) as h (hour) cross join unnest(minutes) as m (minute)
    where d.day + make_interval(hours => h.hour, mins => m.minute) > here - interval '3 hours'
    order by 1 limit 500),
  offsets as (
    select c.at, c.at at time zone zone as about from clock c),
  readings as (
    -- By what the clock showed ahead of UTC a day before, and a day after.
    select o.at,
      (o.at - ((o.about - interval '24 hours') at time zone zone - (o.about - interval '24 hours') at time zone 'UTC'))
        at time zone 'UTC' as before,
      (o.at - ((o.about + interval '24 hours') at time zone zone - (o.about + interval '24 hours') at time zone 'UTC'))
        at time zone 'UTC' as later
    from offsets o),
  moments as (
    select case when r.before at time zone zone = r.at or r.later at time zone zone <> r.at then r.before else r.later end
      as at
    from readings r
    union all
    select r.later from readings r where is_any_hour and r.later at time zone zone = r.at)
  select min(m.at) into soonest from moments m where m.at > after;
  return soonest;
end $$;

-- When a schedule is due next; null when it is over.
create function simplon.next_due(schedule public.agent_schedules, after timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  origin timestamptz := coalesce(schedule.starts_at, schedule.created_at);
  due timestamptz;
begin
  if schedule.every_seconds is null then
    due := simplon.next_cron(
      schedule.fields, schedule.time_zone, greatest(after, schedule.starts_at - interval '1 microsecond'));
  elsif after < origin then
    due := origin;
  else
    due := origin + ((floor(extract(epoch from after - origin) / schedule.every_seconds) + 1)
      * schedule.every_seconds)::double precision * interval '1 second';
  end if;
  return case when due <= schedule.ends_at or schedule.ends_at is null then due end;
end $$;

-- Sets what is due next from now on, of a schedule whose rhythm is new.
create function simplon.plan_schedule(schedule uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  s public.agent_schedules;
begin
  select a.* into s from public.agent_schedules a where a.id = schedule;
  begin
    -- What else PostgreSQL takes for a zone, abbreviations and offsets, knows no changes of clocks, or has another sign.
    if s.time_zone !~ '^(UTC|Etc/GMT([+-][0-9]|[+]1[0-2]|-1[0-4])|[A-Za-z_]+(/[A-Za-z_-]+)+)$' then
      raise invalid_parameter_value;
    end if;
    perform clock_timestamp() at time zone s.time_zone;
  exception when invalid_parameter_value then
    raise exception '"time_zone" must be a name of the IANA time zone database'
      using errcode = 'SIM05', hint = 'Write Europe/Zurich, America/New_York or UTC.';
  end;
  s.next_due := simplon.next_due(s, clock_timestamp());
  if s.next_due is null then
    raise exception 'the schedule is never due'
      using errcode = 'SIM05', hint = 'Look at "cron" (a 31 February?) and "ends_at".';
  end if;
  update public.agent_schedules a set next_due = s.next_due, late = 0 where a.id = schedule;
end $$;

-- Refuses policies that contradict each other: what is made up in a row always finds the run before under way.
create function simplon.check_policies(schedule uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if exists (
    select from public.agent_schedules a where a.id = schedule and a.missed = 'all' and a.overlap <> 'allow') then
    raise exception '"missed": "all" needs "overlap": "allow"'
      using errcode = 'SIM05', hint = 'Runs that are made up begin together; or write "missed": "once".';
  end if;
end $$;

-- Saves a schedule under a new name: {name, cron + fields | every_seconds, run, time_zone?, missed?, overlap?, …}.
create function simplon.save_schedule(request jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  made uuid;
begin
  -- What two count at the same time would pass the limit.
  perform pg_advisory_xact_lock(hashtextextended(coalesce(auth.uid()::text, ''), 5360414144));
  if (select count(*) from public.agent_schedules s
      where simplon.owner_key(s.user_id) = simplon.owner_key(auth.uid())) >= 100 then
    raise exception 'you have 100 schedules, which is the limit' using errcode = 'SIM51', hint = 'Delete one.';
  end if;
  insert into public.agent_schedules (
    user_id, owner_claims, name, cron, fields, every_seconds, time_zone, run, missed, overlap, starts_at, ends_at, enabled)
  values (
    auth.uid(), auth.jwt() || '{"role": "authenticated"}', request ->> 'name', request ->> 'cron', request -> 'fields',
    (request ->> 'every_seconds')::integer, coalesce(request ->> 'time_zone', 'UTC'), request -> 'run',
    coalesce(request ->> 'missed', 'skip'), coalesce(request ->> 'overlap', 'skip'),
    (request ->> 'starts_at')::timestamptz, (request ->> 'ends_at')::timestamptz,
    coalesce((request ->> 'enabled')::boolean, true))
  on conflict do nothing returning id into made;
  if not found then
    raise exception 'you have a schedule "%" already', request ->> 'name'
      using errcode = 'SIM52', hint = 'Change it with PATCH, or choose another name.';
  end if;
  perform simplon.check_policies(made);
  perform simplon.plan_schedule(made);
end $$;

-- Changes what is sent. What was missed while a schedule was not enabled, or before its rhythm changed, is not made up.
create function simplon.change_schedule(schedule text, changes jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  changed uuid;
begin
  update public.agent_schedules s set
    owner_claims = auth.jwt() || '{"role": "authenticated"}',
    cron = case when changes ? 'every_seconds' then null else coalesce(changes ->> 'cron', s.cron) end,
    fields = case when changes ? 'every_seconds' then null else coalesce(changes -> 'fields', s.fields) end,
    every_seconds = case when changes ? 'cron' then null
      else coalesce((changes ->> 'every_seconds')::integer, s.every_seconds) end,
    time_zone = coalesce(changes ->> 'time_zone', s.time_zone), run = coalesce(changes -> 'run', s.run),
    missed = coalesce(changes ->> 'missed', s.missed), overlap = coalesce(changes ->> 'overlap', s.overlap),
    starts_at = coalesce((changes ->> 'starts_at')::timestamptz, s.starts_at),
    ends_at = coalesce((changes ->> 'ends_at')::timestamptz, s.ends_at),
    enabled = coalesce((changes ->> 'enabled')::boolean, s.enabled), updated_at = clock_timestamp()
  where simplon.owner_key(s.user_id) = simplon.owner_key(auth.uid()) and s.name = schedule returning s.id into changed;
  if not found then
    raise exception 'there is no schedule "%" of yours', left(schedule, 200) using errcode = 'SIM53';
  end if;
  perform simplon.check_policies(changed);
  if changes ?| array['cron', 'every_seconds', 'time_zone', 'starts_at', 'ends_at']
    or (changes ->> 'enabled')::boolean then
    perform simplon.plan_schedule(changed);
  end if;
end $$;

-- Deletes a schedule; its runs stay.
create function simplon.delete_schedule(schedule text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.agent_schedules s
  where simplon.owner_key(s.user_id) = simplon.owner_key(auth.uid()) and s.name = schedule;
  if not found then
    raise exception 'there is no schedule "%" of yours', left(schedule, 200) using errcode = 'SIM53';
  end if;
end $$;

-- What is due, with the inputs of a workflow and their schema as it is now.
create function simplon.due_schedules(most integer default 100)
returns table (id uuid, user_id uuid, due timestamptz, inputs jsonb, schema jsonb)
language sql stable security definer set search_path = ''
as $$
  select s.id, s.user_id, s.next_due, coalesce(s.run -> 'inputs', '{}'), w.inputs
  from public.agent_schedules s left join public.workflows w on w.name = s.run ->> 'workflow'
    and simplon.owner_key(w.user_id) = simplon.owner_key(s.user_id)
  where s.enabled and s.next_due <= now() order by s.next_due limit most
$$;

-- Makes the run that was due then, as the schedule's owner, and says when the next one is; gives the run, null where none
-- was made. Whoever comes second finds that the time has moved on. Late is what is more than a minute late.
create function simplon.fire_schedule(schedule uuid, due timestamptz, inputs jsonb, engine integer) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
  s public.agent_schedules;
  made uuid;
  is_late boolean := due < clock_timestamp() - interval '1 minute';
  is_running boolean;
  problem jsonb;
begin
  select a.* into s from public.agent_schedules a
  where a.id = schedule and a.enabled and a.next_due = due for update;
  if not found then
    return null;
  end if;
  -- Of what was missed, at most 100 are made up in a row.
  if is_late and (s.missed = 'skip' or s.late >= 100) then
    update public.agent_schedules a set late = 0, next_due = simplon.next_due(s, clock_timestamp() - interval '1 minute')
    where a.id = s.id;
    return null;
  end if;
  is_running := exists (select from public.agent_runs r where r.id = s.last_run and r.completed_at is null);
  if is_running and s.overlap = 'skip' then
    problem := '{"code": "run.state", "message": "The run before had not ended, so none was made."}';
  else
    perform set_config('request.jwt.claims', s.owner_claims::text, true);
    if is_running and s.overlap = 'replace' then
      perform simplon.cancel_runs(simplon.lock_tree(s.last_run));
    end if;
    select c.run_id into made from simplon.create_run(
      s.run || jsonb_build_object('metadata', coalesce(s.run -> 'metadata', '{}')
        || case when s.run ? 'workflow' then jsonb_build_object('inputs', inputs) else '{}' end
        || jsonb_build_object('schedule', jsonb_build_object('name', s.name, 'due', due))),
      'schedule:' || s.id || ':' || to_char(due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      sha256(convert_to(s.id::text, 'UTF8')), engine) c;
    perform set_config('request.jwt.claims', '', true);
  end if;
  update public.agent_schedules a set
    next_due = simplon.next_due(s, case when is_late and s.missed = 'once' then clock_timestamp() else due end),
    late = case when is_late then s.late + 1 else 0 end, last_due = due, last_run = coalesce(made, s.last_run),
    last_error = problem
  where a.id = s.id;
  return made;
end $$;

-- Says why no run could be made then, and goes on to the next time.
create function simplon.fail_schedule(schedule uuid, due timestamptz, error jsonb) returns void
language sql security definer set search_path = ''
as $$
  update public.agent_schedules a set
    next_due = simplon.next_due(a, greatest(due, clock_timestamp() - interval '1 minute')), last_due = due,
    last_error = error
  where a.id = schedule and a.enabled and a.next_due = due
$$;

create trigger agent_schedules_audit after insert or update or delete on public.agent_schedules
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('schedule', 'agent_schedules', 'name', 'owner_claims', 'next_due', 'late', 'last_due',
    'last_run', 'last_error', 'updated_at');

alter table public.agent_schedules enable row level security;
alter table public.agent_schedules force row level security;
revoke all on public.agent_schedules from public, anon, authenticated, service_role;
grant select on public.agent_schedules to authenticated, service_role;
-- So that an operator can stop a user's.
grant update (enabled), delete on public.agent_schedules to service_role;
create policy agent_schedules_read_own on public.agent_schedules for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_schedules_service on public.agent_schedules to service_role using (true) with check (true);

revoke all on function simplon.next_cron(jsonb, text, timestamptz),
  simplon.next_due(public.agent_schedules, timestamptz), simplon.plan_schedule(uuid), simplon.check_policies(uuid),
  simplon.save_schedule(jsonb),
  simplon.change_schedule(text, jsonb), simplon.delete_schedule(text), simplon.due_schedules(integer),
  simplon.fire_schedule(uuid, timestamptz, jsonb, integer), simplon.fail_schedule(uuid, timestamptz, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function simplon.save_schedule(jsonb), simplon.change_schedule(text, jsonb),
  simplon.delete_schedule(text) to authenticated, service_role;
grant execute on function simplon.due_schedules(integer),
  simplon.fire_schedule(uuid, timestamptz, jsonb, integer), simplon.fail_schedule(uuid, timestamptz, jsonb)
  to service_role;
