-- The live stream, which is the log: events of a run, numbered without gap by run_state.next_seq. Partitioned by the
-- month in the run's id (UUIDv7), so one run's events lie in one partition and the key is truly unique. A partition
-- read directly knows no policy of its parent, so partitions live in simplon, where callers have no rights.
create table public.agent_task_logs (
  run_id uuid not null,
  seq bigint not null,
  user_id uuid,
  at timestamptz not null default clock_timestamp(),
  level text not null default 'info',
  kind text not null,
  v smallint not null default 1,
  payload jsonb not null,
  primary key (run_id, seq),
  constraint agent_task_logs_level check (level in ('debug', 'info', 'warn', 'error')),
  constraint agent_task_logs_kind check (kind in ('log', 'step', 'status', 'message', 'artifact', 'done'))
) partition by range (run_id);
-- A run that is deleted takes its events with it; that is a trigger's doing.
create trigger agent_task_logs_append_only before update or delete on public.agent_task_logs
  for each row when (pg_trigger_depth() = 0) execute function simplon.refuse_change();

-- What a foreign key would do: one on this table would cost every event a look at its run.
create function simplon.delete_events() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.agent_task_logs l where l.run_id = old.id;
  return null;
end $$;
create trigger agent_runs_delete_events after delete on public.agent_runs
  for each row execute function simplon.delete_events();

alter table public.agent_task_logs enable row level security;
alter table public.agent_task_logs force row level security;
revoke all on public.agent_task_logs from public, anon, authenticated, service_role;
grant select on public.agent_task_logs to authenticated, service_role;
create policy agent_task_logs_read_own on public.agent_task_logs for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_task_logs_service on public.agent_task_logs to service_role using (true) with check (true);

-- Makes the partitions by month of a table in public: this month's, so many before and so many after it. They are by
-- time, those of agent_task_logs by the time in an id. Made first, attached after, so that writers hardly wait. Returns
-- how many were new.
create function simplon.make_month_partitions(parent text, before integer default 0, after integer default 3)
returns integer
language plpgsql security definer set search_path = '' set timezone = 'UTC'
as $$
declare
  made integer := 0;
  month timestamptz;
  partition text;
  bounds text[];
begin
  perform pg_catalog.pg_advisory_xact_lock(5360414141);
  for step in -before..after loop
    month := date_trunc('month', now()) + make_interval(months => step);
    partition := parent || '_' || to_char(month, 'YYYY_MM');
    continue when to_regclass('simplon.' || quote_ident(partition)) is not null;
    bounds := array[month, month + interval '1 month']::text[];
    if parent = 'agent_task_logs' then
      bounds := array[simplon.uuid_v7_floor(month), simplon.uuid_v7_floor(month + interval '1 month')]::text[];
    end if;
    execute format('create table simplon.%I (like public.%I including all)', partition, parent);
    execute format('alter table simplon.%I enable row level security', partition);
    execute format('alter table simplon.%I force row level security', partition);
    execute format('revoke all on simplon.%I from public, anon, authenticated, service_role', partition);
    execute format('alter table public.%I attach partition simplon.%I for values from (%L) to (%L)',
      parent, partition, bounds[1], bounds[2]);
    made := made + 1;
  end loop;
  return made;
end $$;

-- The months of such a table that have been over for that long, oldest first.
create function simplon.months_before(parent text, older interval) returns setof timestamptz
language sql stable set search_path = '' set timezone = 'UTC'
as $$
  select m.month from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
  cross join lateral to_timestamp(right(c.relname, 7), 'YYYY_MM') as m (month)
  where i.inhparent = to_regclass('public.' || quote_ident(parent)) and m.month + interval '1 month' <= now() - older
  order by 1
$$;

-- Whether the events of that run have a place.
create function simplon.has_log_partition(run uuid) returns boolean
language sql stable set search_path = '' set timezone = 'UTC'
as $$
  select to_regclass('simplon.agent_task_logs_' || to_char(
    to_timestamp(('x' || left(replace(run::text, '-', ''), 12))::bit(48)::bigint / 1000.0), 'YYYY_MM')) is not null
$$;

-- Drops the months of such a table that have been over for that long, sparing a month of events with a run that has not
-- ended. Returns how many. It gives up when it would make writers wait for longer than half a second.
create function simplon.drop_month_partitions(parent text, older interval) returns integer
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '500ms'
as $$
declare
  busy boolean := false;
  dropped integer := 0;
  month timestamptz;
begin
  if parent = 'observability_events' and older < interval '1 day' then
    raise exception 'the audit log is kept for a day at least' using errcode = 'SIM05';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(5360414141);
  for month in select * from simplon.months_before(parent, older) loop
    if parent = 'agent_task_logs' then
      for look in 1..2 loop
        busy := exists (
          select from public.agent_runs r
          where r.id >= simplon.uuid_v7_floor(month) and r.id < simplon.uuid_v7_floor(month + interval '1 month')
            and r.completed_at is null);
        exit when busy or look = 2;
        -- Nobody can begin to write now, so the second look is final.
        lock table only public.agent_task_logs in access exclusive mode;
      end loop;
    end if;
    continue when busy;
    execute format('drop table simplon.%I', parent || '_' || to_char(month, 'YYYY_MM'));
    dropped := dropped + 1;
  end loop;
  return dropped;
exception when lock_not_available then
  return 0;
end $$;

revoke all on function simplon.make_month_partitions(text, integer, integer), simplon.months_before(text, interval),
  simplon.drop_month_partitions(text, interval), simplon.has_log_partition(uuid), simplon.delete_events()
  from public, anon, authenticated, service_role;
grant execute on function simplon.make_month_partitions(text, integer, integer),
  simplon.drop_month_partitions(text, interval), simplon.has_log_partition(uuid) to service_role;
select simplon.make_month_partitions('agent_task_logs');
