-- What runs remember for their owners, by agent, namespace and key; '' is no agent and no namespace. It is written by
-- steps alone, through the functions below, as the run's owner: the user is taken from auth.uid(), and what nobody owns
-- is the service's runs'.
-- SIM01 the step is not under way any more, SIM60 a limit.
create table public.agent_memory (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid,
  agent text not null default '',
  namespace text not null default '',
  key text not null,
  content text not null,
  metadata jsonb not null default '{}',
  search tsvector not null generated always as (to_tsvector('pg_catalog.english', key || ' ' || content)) stored,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint agent_memory_name_sizes check (
    octet_length(key) between 1 and 255 and octet_length(agent) <= 255 and octet_length(namespace) <= 255),
  constraint agent_memory_content_size check (octet_length(content) <= 65536),
  -- As of a run's: the door's limit is on the text, 16 KiB.
  constraint agent_memory_metadata_size check (jsonb_typeof(metadata) = 'object' and pg_column_size(metadata) <= 131072)
);
create unique index agent_memory_of_user on public.agent_memory
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), agent, namespace, key);
create index agent_memory_by_words on public.agent_memory using gin (search);

alter table public.agent_memory enable row level security;
alter table public.agent_memory force row level security;
revoke all on public.agent_memory from public, anon, authenticated, service_role;
grant select on public.agent_memory to authenticated;
grant select, insert, update, delete on public.agent_memory to service_role;
create policy agent_memory_read_own on public.agent_memory for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_memory_service on public.agent_memory to service_role using (true) with check (true);

create trigger agent_memory_audit_made after insert or delete on public.agent_memory
  for each row when (pg_trigger_depth() = 0) execute function simplon.audit('memory', 'agent_memory', 'id');
create trigger agent_memory_audit_changed after update of key, content, metadata on public.agent_memory
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('memory', 'agent_memory', 'id', 'updated_at', 'search', 'embedding');

-- What has no vector yet, or one of an older content; a row leaves when it is done. The version tells a vector that was
-- made of what has changed since.
create table simplon.memory_queue (
  memory_id uuid primary key references public.agent_memory (id) on delete cascade,
  version uuid not null default gen_random_uuid(),
  tries integer not null default 0,
  ready_at timestamptz not null default clock_timestamp()
);
create index memory_queue_ready on simplon.memory_queue (ready_at);

create function simplon.queue_memory() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into simplon.memory_queue as q (memory_id) values (new.id)
  on conflict (memory_id) do update set version = excluded.version, tries = 0, ready_at = excluded.ready_at;
  return null;
end $$;
create trigger agent_memory_queue after insert or update of key, content on public.agent_memory
  for each row execute function simplon.queue_memory();

-- Refuses a step that is not under way in a run of the caller's. Whoever settles it, or stops the run, waits for this
-- row until the end of the transaction: so a worker that has lost its lease changes nothing.
create function simplon.hold_step(run uuid, attempt integer, step text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform from public.agent_steps s join public.agent_runs r on r.id = s.run_id and r.attempt = s.attempt
  where s.run_id = hold_step.run and s.attempt = hold_step.attempt and s.step_id = hold_step.step
    and s.status = 'running' and r.user_id is not distinct from auth.uid()
  for share of s;
  if not found then
    raise exception 'the step is not under way any more' using errcode = 'SIM01';
  end if;
end $$;

-- Keeps a content under a key, in the place of what was there. The same again changes nothing.
create function simplon.put_memory(
  run uuid, attempt integer, step text, agent text, namespace text, key text, content text, metadata jsonb)
returns void
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  person uuid := auth.uid();
  owner uuid := simplon.owner_key(person);
begin
  perform simplon.hold_step(put_memory.run, put_memory.attempt, put_memory.step);
  -- One of a user's at a time, so that the count holds.
  perform pg_advisory_xact_lock(hashtextextended(owner::text, 5360414143));
  if (select count(*) from public.agent_memory m where simplon.owner_key(m.user_id) = owner) >= 10000
    and not exists (
      select from public.agent_memory m
      where simplon.owner_key(m.user_id) = owner
        and m.agent = put_memory.agent and m.namespace = put_memory.namespace and m.key = put_memory.key) then
    raise exception 'a user''s runs remember 10000 things at most' using errcode = 'SIM60',
      hint = 'Delete what is not needed: memory.delete.';
  end if;
  insert into public.agent_memory as m (user_id, agent, namespace, key, content, metadata)
  values (person, put_memory.agent, put_memory.namespace, put_memory.key, put_memory.content, put_memory.metadata)
  on conflict (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), agent, namespace, key)
  do update set content = excluded.content, metadata = excluded.metadata, updated_at = excluded.updated_at
  where (m.content, m.metadata) is distinct from (excluded.content, excluded.metadata);
end $$;

-- What is kept under a key; no row: nothing.
create function simplon.get_memory(agent text, namespace text, key text)
returns table (content text, metadata jsonb, updated_at timestamptz)
language sql stable security definer set search_path = ''
as $$
  select m.content, m.metadata, m.updated_at from public.agent_memory m
  where simplon.owner_key(m.user_id) = simplon.owner_key(auth.uid())
    and m.agent = get_memory.agent and m.namespace = get_memory.namespace and m.key = get_memory.key
$$;

-- Forgets what is kept under a key; gives whether there was anything.
create function simplon.delete_memory(run uuid, attempt integer, step text, agent text, namespace text, key text)
returns boolean
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  perform simplon.hold_step(delete_memory.run, delete_memory.attempt, delete_memory.step);
  delete from public.agent_memory m
  where simplon.owner_key(m.user_id) = simplon.owner_key(auth.uid())
    and m.agent = delete_memory.agent and m.namespace = delete_memory.namespace and m.key = delete_memory.key;
  return found;
end $$;

-- Whether this database keeps vectors; see simplon.add_vectors.
create function simplon.has_vectors() returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = 'public.agent_memory'::regclass and a.attname = 'embedding' and not a.attisdropped)
$$;

-- The caller's memories that are closest to a query, best first: by their vectors, where the query has one, and then by
-- words those that have none yet; else all by words, of which one is enough and more are better. `@@` is not leakproof,
-- so row level security would keep its index from being used; hence the owner's rights. A user's vectors are few enough
-- to be compared one by one, which finds the closest for sure; an approximate index looks among everybody's first.
create function simplon.search_memory(query text, asked real[], of_agent text, of_namespace text, most integer)
returns table (
  agent text, namespace text, key text, content text, metadata jsonb, updated_at timestamptz, score double precision,
  by_vector boolean)
language plpgsql stable security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  owner uuid := simplon.owner_key(auth.uid());
  by_vectors boolean := asked is not null and simplon.has_vectors();
  given integer;
begin
  return query
  select m.agent, m.namespace, m.key, m.content, m.metadata, m.updated_at,
    ts_rank(m.search, q.words)::double precision, false
  from (
    select replace(plainto_tsquery('pg_catalog.english', search_memory.query)::text, ' & ', ' | ')::tsquery
  ) as q (words)
  join public.agent_memory m on m.search @@ q.words
  where simplon.owner_key(m.user_id) = owner
    and (of_agent is null or m.agent = of_agent) and (of_namespace is null or m.namespace = of_namespace)
    and (not by_vectors or exists (select from simplon.memory_queue w where w.memory_id = m.id))
  order by 7 desc, m.updated_at desc
  limit case when by_vectors then (most + 1) / 2 else most end;
  get diagnostics given = row_count;
  if by_vectors then
    return query execute format($q$
      select m.agent, m.namespace, m.key, m.content, m.metadata, m.updated_at,
        1 - (m.embedding operator(%1$I.<=>) $1::%1$I.vector), true
      from public.agent_memory m
      where simplon.owner_key(m.user_id) = $2
        and ($3 is null or m.agent = $3) and ($4 is null or m.namespace = $4) and m.embedding is not null
        and not exists (select from simplon.memory_queue w where w.memory_id = m.id)
      order by m.embedding operator(%1$I.<=>) $1::%1$I.vector limit $5$q$,
      (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        where e.extname = 'vector'))
    using asked, owner, of_agent, of_namespace, most - given;
  end if;
end $$;

-- Hands out memories that want a vector, of each the beginning, which any model can read; less of a script of which most
-- characters are tokens of their own. Each comes again after a while, longer each time, as long as it has none.
create function simplon.take_memories(most integer) returns table (memory_id uuid, version uuid, words text)
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  if not simplon.has_vectors() then
    return;
  end if;
  return query
  with due as materialized (
    select w.memory_id from simplon.memory_queue w where w.ready_at <= clock_timestamp()
    order by w.ready_at limit most for update skip locked),
  taken as (
    update simplon.memory_queue w set tries = w.tries + 1,
      ready_at = clock_timestamp() + least(interval '1 hour', interval '30 seconds' * 2 ^ least(w.tries, 10))
    from due d where w.memory_id = d.memory_id returning w.memory_id, w.version)
  select t.memory_id, t.version, left(m.key || E'\n' || m.content,
    case when octet_length(m.content) > 1.5 * char_length(m.content) then 2500 else 6000 end)
  from taken t join public.agent_memory m on m.id = t.memory_id;
end $$;

-- Keeps the vector of a memory that has not changed since it was handed out.
create function simplon.store_embedding(memory uuid, version uuid, embedding real[]) returns boolean
language plpgsql security definer set search_path = ''
as $$
#variable_conflict use_column
begin
  delete from simplon.memory_queue w where w.memory_id = store_embedding.memory and w.version = store_embedding.version;
  if not found then
    return false;
  end if;
  update public.agent_memory m set embedding = store_embedding.embedding where m.id = store_embedding.memory;
  return true;
end $$;

revoke all on simplon.memory_queue from public, anon, authenticated, service_role;
revoke all on function simplon.queue_memory(), simplon.hold_step(uuid, integer, text),
  simplon.put_memory(uuid, integer, text, text, text, text, text, jsonb), simplon.get_memory(text, text, text),
  simplon.delete_memory(uuid, integer, text, text, text, text), simplon.has_vectors(),
  simplon.search_memory(text, real[], text, text, integer), simplon.take_memories(integer),
  simplon.store_embedding(uuid, uuid, real[]) from public, anon, authenticated, service_role;
grant execute on function simplon.put_memory(uuid, integer, text, text, text, text, text, jsonb),
  simplon.get_memory(text, text, text), simplon.delete_memory(uuid, integer, text, text, text, text),
  simplon.search_memory(text, real[], text, text, integer) to authenticated, service_role;
grant execute on function simplon.has_vectors(), simplon.take_memories(integer),
  simplon.store_embedding(uuid, uuid, real[]) to service_role;
