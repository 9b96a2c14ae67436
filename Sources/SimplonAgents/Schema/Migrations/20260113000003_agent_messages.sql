-- The transcript of each attempt: each message once, append-only; raw is what the provider sent, byte for byte. Results of
-- tools stand in the steps.
create table public.agent_messages (
  run_id uuid not null references public.agent_runs (id) on delete cascade,
  attempt integer not null,
  position integer not null,
  user_id uuid,
  role text not null,
  content jsonb not null,
  raw bytea,
  created_at timestamptz not null default clock_timestamp(),
  primary key (run_id, attempt, position),
  constraint agent_messages_role check (role in ('user', 'assistant', 'tool', 'summary'))
);
create index agent_messages_of_user on public.agent_messages (user_id);
-- A run that is deleted takes its messages with it; that is a trigger's doing.
create trigger agent_messages_append_only before update or delete on public.agent_messages
  for each row when (pg_trigger_depth() = 0) execute function simplon.refuse_change();

alter table public.agent_messages enable row level security;
alter table public.agent_messages force row level security;
revoke all on public.agent_messages from public, anon, authenticated, service_role;
grant select on public.agent_messages to authenticated, service_role;
create policy agent_messages_read_own on public.agent_messages for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_messages_service on public.agent_messages to service_role using (true) with check (true);
