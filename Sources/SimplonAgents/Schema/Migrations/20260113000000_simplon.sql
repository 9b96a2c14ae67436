-- The ground: schema simplon for everything internal, the shared types, and time-ordered ids.
-- Whoever applies the migrations owns the functions that write for callers, under row level security that is forced on
-- owners too; so that login must be able to step over it.
do $$
begin
  if not (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) then
    raise exception 'the login % must have BYPASSRLS to own Simplon''s tables', current_user
      using hint = 'Apply the migrations as "postgres" on Supabase, or as a superuser elsewhere.';
  end if;
end $$;

create schema if not exists simplon;
revoke all on schema simplon from public;
grant usage on schema simplon to authenticated, service_role;
alter default privileges in schema simplon revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema simplon revoke all on functions from anon, authenticated, service_role;

create type public.agent_type as enum (
  'content_generator', 'quiz_generator', 'terrain_generator', 'script_generator', 'code_reviewer',
  'roblox_asset', 'roblox_testing', 'roblox_analytics', 'general');
create type public.agent_status as enum (
  'initializing', 'idle', 'busy', 'processing', 'waiting', 'error', 'offline', 'maintenance');
create type public.task_status as enum (
  'pending', 'queued', 'running', 'waiting', 'completed', 'failed', 'cancelled', 'retrying');

-- RFC 9562, version 7: 48 bits of milliseconds, then random bits. gen_random_uuid() gives version 4 (0100);
-- setting bits 52 and 53 makes it 7 (0111).
create function simplon.uuid_v7() returns uuid
language sql volatile parallel safe
as $$
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- The smallest id of that moment: partition bounds and "older than".
create function simplon.uuid_v7_floor(at timestamptz) returns uuid
language sql immutable parallel safe
as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- An owner as a key that is never null: what nobody owns is the service's. Only functions with their owner's rights call it,
-- so it is put in line and costs nothing; indexes, and conflicts that name them, spell it out: see
-- agent_task_queue_lanes.
create function simplon.owner_key(owner uuid) returns uuid
language sql immutable parallel safe
as $$ select coalesce(owner, '00000000-0000-0000-0000-000000000000'::uuid) $$;

-- For tables that only grow.
create function simplon.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception '% only grows: its rows are never changed or deleted', tg_table_name using errcode = '42501';
end $$;

-- One row per worker process start.
create table simplon.workers (
  id uuid primary key,
  name text not null,
  version text not null,
  engine_version integer not null,
  slots integer not null,
  running integer not null default 0,
  sandbox text not null,
  draining boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  alive_until timestamptz not null
);

-- Facts about this database that processes compare themselves with, such as the id of the file store.
create table simplon.settings (
  name text primary key,
  value text not null,
  created_at timestamptz not null default clock_timestamp()
);

grant select on simplon.workers, simplon.settings to service_role;
revoke all on all functions in schema simplon from public, anon, authenticated, service_role;
grant execute on function simplon.uuid_v7(), simplon.uuid_v7_floor(timestamptz) to authenticated, service_role;
