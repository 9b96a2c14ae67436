-- Two tables of the schema of before, so that what was in them can be loaded: whose a row is, is a text there, and
-- need not be one of our ids. The policies are for every command; of rights, callers have that to read: an operator who
-- wants them to write from a browser grants it.
create table public.environments (
  id uuid primary key default simplon.uuid_v7(),
  user_id text not null,
  name text not null,
  description text,
  github_organization text,
  github_repository text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index environments_of_user on public.environments (user_id, id desc);

create table public.tasks (
  id uuid primary key default simplon.uuid_v7(),
  user_id text not null,
  environment_id uuid references public.environments (id) on delete set null,
  title varchar(255) not null,
  description text,
  status text not null default 'pending',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index tasks_of_user on public.tasks (user_id, id desc);
create index tasks_of_environment on public.tasks (environment_id) where environment_id is not null;

alter table public.environments enable row level security;
alter table public.environments force row level security;
alter table public.tasks enable row level security;
alter table public.tasks force row level security;
revoke all on public.environments, public.tasks from public, anon, authenticated, service_role;
grant select on public.environments, public.tasks to authenticated;
grant select, insert, update, delete on public.environments, public.tasks to service_role;
create policy environments_own on public.environments to authenticated
  using ((select auth.uid())::text = user_id) with check ((select auth.uid())::text = user_id);
create policy environments_service on public.environments to service_role using (true) with check (true);
create policy tasks_own on public.tasks to authenticated
  using ((select auth.uid())::text = user_id) with check ((select auth.uid())::text = user_id);
create policy tasks_service on public.tasks to service_role using (true) with check (true);

create trigger environments_audit after insert or update or delete on public.environments
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('environment', 'environments', 'id', 'updated_at');
create trigger tasks_audit after insert or update or delete on public.tasks
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('task', 'tasks', 'id', 'updated_at');

-- As for the agents' tables, where the publication is ours to change.
do $$
declare
  published regclass;
begin
  if not exists (
    select from pg_publication p
    where p.pubname = 'supabase_realtime' and not p.puballtables
      and pg_has_role(current_user, p.pubowner, 'usage')) then
    return;
  end if;
  foreach published in array array['public.environments', 'public.tasks']::regclass[] loop
    execute format('alter publication supabase_realtime add table %s', published);
  end loop;
end $$;
