-- Whose run is claimed next, and how many of one user's may be at work; see docs/decisions/0012. And what is to be watched of
-- a database that many runs load.

-- A user's lane in the queue: a hash, so that users lie evenly spread along an index and a walk may begin anywhere. The
-- service, which is nobody, has a lane too. Two users who share one by chance share their turns and their cap.
create function simplon.lane(owner uuid) returns bigint
language sql immutable parallel safe
as $$ select pg_catalog.uuid_hash_extended(simplon.owner_key(owner), 0) $$;

-- The indexes spell out simplon.lane: a connection prepares an index's expressions once, for the role that first names its table.
-- For one that may not execute a function the call is not put in line, and then the index is none that a claim could use.
create index agent_task_queue_lanes on public.agent_task_queue
  (priority desc, uuid_hash_extended(coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), 0), ready_at);
create index run_state_running on simplon.run_state
  (uuid_hash_extended(coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), 0)) where worker is not null;

-- What each user has used lately, as it was at that time: 1 for each step, each second of one and each 1,000 tokens. Half of it
-- is forgotten every ten minutes.
create table simplon.recent_use (
  lane bigint primary key,
  units double precision not null,
  at timestamptz not null
) with (fillfactor = 50);
create index recent_use_by_time on simplon.recent_use (at);
alter table simplon.recent_use enable row level security;
alter table simplon.recent_use force row level security;
revoke all on simplon.recent_use from public, anon, authenticated, service_role;

-- What is left of a use now. The exponent is held where nothing underflows.
create function simplon.decayed(units double precision, at timestamptz) returns double precision
language sql stable parallel safe
as $$
  select units * power(0.5::double precision,
    least(greatest(extract(epoch from now() - at)::double precision, 0) / 600, 60))
$$;

-- Adds to what users have used. Rows are locked in one order, so that two workers never wait for each other in a circle.
create function simplon.charge_use(users uuid[], units double precision[]) returns void
language sql security definer set search_path = ''
as $$
  insert into simplon.recent_use as r (lane, units, at)
  select c.lane, sum(c.units), now() from (
    select simplon.lane(u.owner) as lane, u.units from unnest(charge_use.users, charge_use.units) as u (owner, units)) c
  group by c.lane order by c.lane
  on conflict (lane) do update set units = simplon.decayed(r.units, r.at) + excluded.units, at = excluded.at
$$;

-- Forgets what decay has made nothing of.
create function simplon.forget_use() returns void
language sql security definer set search_path = ''
as $$
  delete from simplon.recent_use r where r.lane in (
    select o.lane from simplon.recent_use o where o.at < now() - interval '1 day' for update skip locked)
$$;

-- How many runs of one user, and of all, may be at work at once; null: as many as there are slots. It holds for all workers:
-- the one that started last has said it.
create function simplon.set_run_caps(per_user integer, total integer) returns void
language sql security definer set search_path = ''
as $$
  insert into simplon.settings as s (name, value)
  values ('runs_per_user', coalesce(per_user::text, '')), ('runs_total', coalesce(total::text, ''))
  on conflict (name) do update set value = excluded.value where s.value <> excluded.value
$$;

-- The cap that keeps a user's queued runs from being claimed, as a reason; null when there is none.
create function simplon.cap_reason(owner uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off
as $$
declare
  per_user integer;
  total integer;
begin
  select nullif(max(s.value) filter (where s.name = 'runs_per_user'), '')::integer,
    nullif(max(s.value) filter (where s.name = 'runs_total'), '')::integer
  into per_user, total
  from simplon.settings s where s.name in ('runs_per_user', 'runs_total');
  if per_user is not null and per_user <= (
      select count(*) from simplon.run_state s where simplon.lane(s.user_id) = simplon.lane(owner) and s.worker is not null)
  then
    return jsonb_build_object('code', 'tenant_cap',
      'message', format('The run is queued, and its user has %s at work, as many as one user may.', per_user),
      'details', jsonb_build_object('limit', per_user));
  elsif total is not null and total <= (select count(*) from simplon.run_state s where s.worker is not null) then
    return jsonb_build_object('code', 'total_cap',
      'message', format('The run is queued, and %s are at work, as many as may be.', total),
      'details', jsonb_build_object('limit', total));
  end if;
  return null;
end $$;

-- Takes up to that many runs whose time has come, and begins an epoch for each: by priority; within one, the users take turns.
-- First comes who has fewest at work, each of which counts as up to four for those who have used most of late; a user's own go
-- oldest first. One claim in eight begins with whichever run has waited longest, so that nobody waits for ever.
--
-- Whoever else changes a run holds its run_state row first, and only then touches its queue row or its run; a claim begins at
-- the queue, so it takes both rows together and passes by what somebody has a hand on. So it waits for nobody, and nobody for
-- it in a circle. Only where there are caps do claims wait for each other, first of all and holding nothing.
--
-- Its answer holds the plans of what it took, 16 MiB at most or those of one run: whoever can claim more claims again.
--
-- It costs what it takes, however many runs and users wait: from a random place on it looks at the first row of so many lanes
-- and no more, each found by one descent of an index. With fewer users than that it sees them all. Whatever the statistics say,
-- the plan is this one: conditions compare the index's columns alone (any other would make a step read the rest of the queue),
-- and a lane is asked for as a range and in the index's order, as an equation would let the planner, who has seen a lone user,
-- take the index by time and read past all of that user's runs.
create function simplon.claim_runs(worker uuid, engine integer, lease interval, slots integer)
returns table (
  run_id uuid, epoch integer, next_seq bigint, attempt integer, user_id uuid, owner_claims jsonb, prompt text,
  tools text[], connectors text[], model text, plan jsonb, workflow text, metadata jsonb)
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
as $$
#variable_conflict use_column
declare
  per_user integer;
  total integer;
  free_slots bigint := slots;
  free_bytes bigint := 16777216;
  took bigint;
  is_full boolean;
  places bigint;
  begins_with_oldest boolean := random() < 0.125;
  below integer := 32768;
  level smallint;
  oldest_lane bigint;
  from_lane bigint;
  got uuid[];
  has_more boolean;
  chosen uuid[] := '{}';
begin
  select nullif(max(s.value) filter (where s.name = 'runs_per_user'), '')::integer,
    nullif(max(s.value) filter (where s.name = 'runs_total'), '')::integer
  into per_user, total
  from simplon.settings s where s.name in ('runs_per_user', 'runs_total');
  if per_user is not null or total is not null then
    -- What two claims count at the same time would pass a cap.
    perform pg_catalog.pg_advisory_xact_lock(5360414170);
  end if;
  if total is not null then
    free_slots := least(free_slots, total - (select count(*) from simplon.run_state s where s.worker is not null));
  end if;

  while free_slots > 0 loop
    -- The next priority at which something can be claimed.
    select q.priority, simplon.lane(q.user_id) into level, oldest_lane
    from public.agent_task_queue q
    where q.priority < below and q.ready_at <= now() and q.engine_version <= engine
    order by q.priority desc, q.ready_at limit 1;
    exit when not found;
    below := level;
    loop
      places := 2 * free_slots + 30;
      from_lane := simplon.lane(gen_random_uuid());
      with recursive walk (lap, lane, ready_at, visited, ready) as (
        select 0, from_lane, null::timestamptz, 0, 0
        union all
        select x.lap, x.lane, x.ready_at, w.visited + 1, w.ready + (x.ready_at <= now())::integer
        from walk w cross join lateral (
          (select w.lap as lap, simplon.lane(q.user_id) as lane, q.ready_at from public.agent_task_queue q
           where q.priority = level and simplon.lane(q.user_id) > w.lane
             and simplon.lane(q.user_id) <= case w.lap when 0 then 9223372036854775807 else from_lane end
           order by simplon.lane(q.user_id), q.ready_at limit 1)
          union all
          -- Past the end it goes on at the beginning, up to where it began.
          (select 1, simplon.lane(q.user_id), q.ready_at from public.agent_task_queue q
           where w.lap = 0 and q.priority = level and simplon.lane(q.user_id) <= from_lane
           order by simplon.lane(q.user_id), q.ready_at limit 1)
          limit 1) x
        -- A lane whose runs all wait out a backoff takes none of the places.
        where w.ready < places and w.visited < 20 * places),
      lanes as materialized (
        select w.lane from walk w where w.visited > 0 and w.ready_at <= now()
        union
        select oldest_lane
        union
        -- What came last is seen too, however many lanes wait for later.
        select simplon.lane(n.user_id) from (
          select q.user_id from public.agent_task_queue q
          where q.priority = level and q.ready_at <= now() and q.engine_version <= engine
          order by q.ready_at desc limit places) n),
      loads as materialized (
        select l.lane,
          case when per_user is not null or c.lanes > 1 then (
            select count(*) from simplon.run_state s where simplon.lane(s.user_id) = l.lane and s.worker is not null)
          else 0 end as running,
          coalesce((select simplon.decayed(u.units, u.at) from simplon.recent_use u where u.lane = l.lane), 0) as used
        from lanes l cross join (select count(*) as lanes from lanes) c),
      shares as materialized (
        -- Small uses make no difference. Of one user no more is looked at than four times an equal share.
        select l.lane, l.running, 1 + 3 * l.used / greatest(max(l.used) over (), 100) as weight,
          greatest(1, 4 * free_slots / count(*) over ()) as most
        from loads l),
      ready as materialized (
        select s.lane, s.running, s.weight, s.most, x.run_id, x.place
        from shares s cross join lateral (
          select y.run_id, row_number() over (order by y.ready_at) as place from (
            select q.run_id, q.ready_at from public.agent_task_queue q
            join simplon.run_state t on t.run_id = q.run_id and t.epoch = q.epoch
            where q.priority = level and simplon.lane(q.user_id) between s.lane and s.lane and q.ready_at <= now()
              and q.engine_version <= engine
            order by simplon.lane(q.user_id), q.ready_at limit greatest(0, least(free_slots, s.most, per_user - s.running))
            for update skip locked) y) x),
      turns as materialized (
        select r.run_id, r.place, r.most, row_number() over (
          order by case when begins_with_oldest and r.lane = oldest_lane and r.place = 1 then 0
            else (r.running + r.place) * r.weight end, r.place) as turn
        from ready r order by turn limit free_slots),
      measured as materialized (
        select t.run_id, t.place, t.most, t.turn, sum(a.size) over (order by t.turn) as bytes
        from turns t join public.agent_runs a on a.id = t.run_id),
      picked as materialized (
        select m.run_id, m.place, m.most, m.bytes from measured m
        where m.bytes <= free_bytes or m.turn = 1 and cardinality(chosen) = 0),
      taken as (
        delete from public.agent_task_queue q using picked p where q.run_id = p.run_id),
      held as (
        update simplon.run_state s set epoch = s.epoch + 1, worker = claim_runs.worker,
          lease_until = clock_timestamp() + lease, next_seq = s.next_seq + 1
        from picked p where s.run_id = p.run_id
        returning s.run_id)
      select coalesce(array_agg(h.run_id), '{}'),
        (select coalesce(max(p.bytes), 0) from picked p), (select count(*) from picked) < (select count(*) from measured),
        (select coalesce(bool_or(p.place = p.most), false) from picked p)
          or (select max(w.ready) >= places or max(w.visited) >= 20 * places from walk w)
      into got, took, is_full, has_more
      from held h;
      chosen := chosen || got;
      free_bytes := free_bytes - took;
      -- What does not fit any more is not passed by, lest what is large wait for ever.
      free_slots := case when is_full then 0 else free_slots - cardinality(got) end;
      begins_with_oldest := false;
      exit when free_slots = 0 or cardinality(got) = 0 or not has_more;
    end loop;
  end loop;
  if cardinality(chosen) = 0 then
    return;
  end if;

  return query
  with runs as (
    update public.agent_runs r set status = 'running', reason = null, updated_at = clock_timestamp(),
      started_at = coalesce(r.started_at, clock_timestamp())
    from simplon.run_state s where s.run_id = any (chosen) and r.id = s.run_id
    returning r.id, s.epoch, s.next_seq, r.attempt, r.user_id, r.owner_claims, case when r.plan is null then r.prompt end,
      r.tools, r.connectors, r.model, r.plan, r.workflow, r.metadata),
  events as (
    insert into public.agent_task_logs (run_id, seq, user_id, kind, payload)
    select s.run_id, s.next_seq - 1, s.user_id, 'status', '{"status": "running"}' from simplon.run_state s
    where s.run_id = any (chosen))
  select * from runs;
end $$;

-- What a load leaves behind in the database: rows that are dead and not yet cleared away, and the write-ahead log: how much
-- there is, where the owner of these functions may look (as "postgres" may on Supabase; else null), and how much of it the
-- slot that lags most keeps from being removed.
create function simplon.watch_database() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  wal numeric;
begin
  begin
    select sum(w.size) into wal from pg_catalog.pg_ls_waldir() w;
  exception when insufficient_privilege then
    wal := null;
  end;
  return jsonb_build_object(
    'dead_rows', (
      select coalesce(jsonb_object_agg(t.relname, t.n_dead_tup), '{}') from pg_catalog.pg_stat_user_tables t
      where t.relid = any (array['public.agent_runs', 'public.agent_steps', 'public.agent_task_queue',
        'simplon.run_state']::regclass[]::oid[])),
    'wal_bytes', wal,
    'wal_held_bytes', (
      select coalesce(max(pg_catalog.pg_wal_lsn_diff(
        case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_receive_lsn()
          else pg_catalog.pg_current_wal_lsn() end, s.restart_lsn)), 0)
      from pg_catalog.pg_replication_slots s));
end $$;

revoke all on function
  simplon.lane(uuid), simplon.decayed(double precision, timestamptz),
  simplon.charge_use(uuid[], double precision[]), simplon.forget_use(), simplon.set_run_caps(integer, integer),
  simplon.cap_reason(uuid), simplon.claim_runs(uuid, integer, interval, integer), simplon.watch_database()
  from public, anon, authenticated, service_role;
grant execute on function
  simplon.charge_use(uuid[], double precision[]), simplon.forget_use(), simplon.set_run_caps(integer, integer),
  simplon.claim_runs(uuid, integer, interval, integer), simplon.watch_database()
  to service_role;
