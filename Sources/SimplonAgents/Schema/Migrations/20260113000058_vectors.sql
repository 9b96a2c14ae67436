-- Vectors of 1536 numbers, where pgvector is: tasks that are like another, memories that are close to a query.
-- Elsewhere this does nothing; who installs pgvector later calls `select simplon.add_vectors()` as the owner of the
-- tables. Gives whether there are vectors now.
create function simplon.add_vectors() returns boolean
language plpgsql set search_path = ''
as $$
declare
  place text;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'vector') then
    if not exists (select from pg_catalog.pg_available_extensions where name = 'vector') then
      return false;
    end if;
    begin
      create extension vector with schema extensions;
    exception when insufficient_privilege or undefined_file or invalid_schema_name then
      raise notice 'no vectors: % may not create the extension "vector" in schema extensions', current_user;
      return false;
    end;
  end if;
  select n.nspname into place
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  execute format('alter table public.tasks add column if not exists embedding %I.vector(1536)', place);
  execute format('alter table public.agent_memory add column if not exists embedding %I.vector(1536)', place);
  -- pgvector has it from 0.5 on.
  if exists (select from pg_catalog.pg_am where amname = 'hnsw') then
    execute format(
      'create index if not exists tasks_by_embedding on public.tasks using hnsw (embedding %I.vector_cosine_ops)',
      place);
  end if;
  -- The caller's own tasks, as row level security decides, that are more alike than the threshold, at most 1000. They are
  -- compared one by one, which the `+ 0` sees to: the index finds the closest of everybody's, of which row level security
  -- would leave a caller few or none. It is there for who asks the table with rights to all of it.
  execute format($f$
    create or replace function public.match_tasks(
      query_embedding %1$I.vector(1536), match_threshold double precision, match_count integer)
    returns table (id uuid, title varchar, description text, similarity double precision)
    language sql stable set search_path = ''
    as $m$
      select t.id, t.title, t.description, 1 - (t.embedding operator(%1$I.<=>) query_embedding)
      from public.tasks t
      where (t.embedding operator(%1$I.<=>) query_embedding) < 1 - match_threshold
      order by (t.embedding operator(%1$I.<=>) query_embedding) + 0
      limit least(greatest(coalesce(match_count, 0), 0), 1000)
    $m$;
    revoke all on function public.match_tasks(%1$I.vector, double precision, integer)
      from public, anon, authenticated, service_role;
    grant execute on function public.match_tasks(%1$I.vector, double precision, integer) to authenticated, service_role
    $f$, place);
  return true;
end $$;
revoke all on function simplon.add_vectors() from public, anon, authenticated, service_role;
select simplon.add_vectors();
