-- Readings of the system over time, shared: signed-in users read, the service writes.
create table public.system_health (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid,
  component text not null,
  status text not null,
  reading jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  constraint system_health_status check (status in ('healthy', 'degraded', 'unhealthy'))
);
create index system_health_by_time on public.system_health (created_at desc);

alter table public.system_health enable row level security;
alter table public.system_health force row level security;
revoke all on public.system_health from public, anon, authenticated, service_role;
grant select on public.system_health to authenticated;
grant select, insert, delete on public.system_health to service_role;
create policy system_health_read on public.system_health for select to authenticated using (user_id is null);
create policy system_health_service on public.system_health to service_role using (true) with check (true);
