-- Files that a run made. The bytes lie in the file store under {user_id}/{sha256}.
create table public.agent_artifacts (
  id uuid primary key default simplon.uuid_v7(),
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  attempt integer not null,
  user_id uuid,
  bucket text not null default 'artifacts',
  path text not null,
  size bigint not null,
  mime text not null,
  sha256 text not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint agent_artifacts_path unique (run_id, attempt, path),
  constraint agent_artifacts_size check (size >= 0),
  constraint agent_artifacts_sha256 check (sha256 ~ '^[0-9a-f]{64}$')
);
create index agent_artifacts_of_user on public.agent_artifacts (user_id);
create index agent_artifacts_of_blob on public.agent_artifacts (sha256);

alter table public.agent_artifacts enable row level security;
alter table public.agent_artifacts force row level security;
revoke all on public.agent_artifacts from public, anon, authenticated, service_role;
grant select on public.agent_artifacts to authenticated, service_role;
create policy agent_artifacts_read_own on public.agent_artifacts for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_artifacts_service on public.agent_artifacts to service_role using (true) with check (true);
