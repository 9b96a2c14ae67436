-- Webhooks: where their owner wants to be told of what becomes of its runs. What is to be told is written in the
-- transaction that ends or parks the run, and a worker delivers it, at least once, for a day.
-- SIM54 no such webhook or delivery; SIM05 and SIM51 as before.
create table public.agent_webhooks (
  id uuid primary key default simplon.uuid_v7(),
  user_id uuid default auth.uid(),
  url text not null,
  events text[] not null,
  description text,
  enabled boolean not null default true,
  -- How many deliveries in a row were given up.
  failures integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint agent_webhooks_sizes check (octet_length(url) <= 2048 and octet_length(description) <= 4096),
  constraint agent_webhooks_events check (
    events <@ array['run.completed', 'run.failed', 'run.waiting', 'run.cancelled'] and cardinality(events) between 1 and 4)
);
create index agent_webhooks_by_owner on public.agent_webhooks
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), id desc);

-- What signs deliveries; nobody may read it but the functions below.
create table simplon.webhook_secrets (
  webhook_id uuid primary key references public.agent_webhooks (id) on delete cascade,
  secret text not null
);

create table public.agent_webhook_deliveries (
  id uuid primary key default simplon.uuid_v7(),
  webhook_id uuid not null references public.agent_webhooks (id) on delete cascade,
  user_id uuid,
  run_id uuid,
  event text not null,
  payload jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- From when on it is tried for a day.
  since timestamptz not null default clock_timestamp(),
  next_attempt_at timestamptz not null default clock_timestamp(),
  response_status integer,
  error text,
  created_at timestamptz not null default clock_timestamp(),
  delivered_at timestamptz
);
create index agent_webhook_deliveries_of_webhook on public.agent_webhook_deliveries (webhook_id, id desc);
create index agent_webhook_deliveries_due on public.agent_webhook_deliveries
  (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid), next_attempt_at) where status = 'pending';
create index agent_webhook_deliveries_by_age on public.agent_webhook_deliveries (created_at);

-- Every run that ends or waits passes by here, so whoever has no webhook pays for one look into an index.
create function simplon.notify_webhooks() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
  kind text := 'run.' || new.status;
  told jsonb;
begin
  if not exists (
    select from public.agent_webhooks w where simplon.owner_key(w.user_id) = simplon.owner_key(new.user_id)) then
    return null;
  end if;
  -- Each webhook gets a copy, in a commit that other runs share: what is larger is asked for by the run's id.
  told := jsonb_build_object(
    'type', kind, 'timestamp', clock_timestamp(), 'data', jsonb_build_object(
      'run_id', new.id, 'status', new.status, 'attempt', new.attempt, 'agent', new.agent, 'workflow', new.workflow,
      'project_id', new.project_id, 'parent_id', new.parent_id, 'forked_from', new.forked_from,
      'metadata', case when octet_length(new.metadata::text) <= 8192 then new.metadata end,
      -- As simplon.park_for_person has left it, whose trigger comes before this one.
      'reason', (select r.reason from public.agent_runs r where r.id = new.id),
      'error', case when octet_length(new.error::text) <= 65536 then new.error end,
      'result', case when octet_length(new.result::text) <= 65536 then new.result end,
      'created_at', new.created_at, 'completed_at', new.completed_at));
  insert into public.agent_webhook_deliveries (webhook_id, user_id, run_id, event, payload)
  select w.id, w.user_id, new.id, kind, told
  from public.agent_webhooks w
  where simplon.owner_key(w.user_id) = simplon.owner_key(new.user_id) and w.enabled and kind = any (w.events)
  -- One that is being deleted is told nothing, and is not waited for.
  for key share of w skip locked;
  return null;
end $$;
create trigger agent_runs_tell_webhooks after update of status on public.agent_runs
  for each row when (old.status is distinct from new.status
    and new.status in ('completed', 'failed', 'cancelled', 'waiting'))
  execute function simplon.notify_webhooks();

-- Makes a webhook: {url, events, description?}; gives its id.
create function simplon.save_webhook(request jsonb, secret text) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
  made uuid;
begin
  -- What two count at the same time would pass the limit.
  perform pg_advisory_xact_lock(hashtextextended(coalesce(auth.uid()::text, ''), 5360414144));
  if (select count(*) from public.agent_webhooks w
      where simplon.owner_key(w.user_id) = simplon.owner_key(auth.uid())) >= 10 then
    raise exception 'you have 10 webhooks, which is the limit' using errcode = 'SIM51', hint = 'Delete one.';
  end if;
  insert into public.agent_webhooks (user_id, url, events, description)
  values (auth.uid(), request ->> 'url', array(select jsonb_array_elements_text(request -> 'events')),
    request ->> 'description')
  returning id into made;
  insert into simplon.webhook_secrets (webhook_id, secret) values (made, save_webhook.secret);
  return made;
end $$;

-- Changes what is sent. One that is no longer enabled has nothing more to deliver; one that is again begins anew.
create function simplon.change_webhook(webhook uuid, changes jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  update public.agent_webhooks w set
    url = coalesce(changes ->> 'url', w.url), description = coalesce(changes ->> 'description', w.description),
    events = case when changes ? 'events' then array(select jsonb_array_elements_text(changes -> 'events'))
      else w.events end,
    enabled = coalesce((changes ->> 'enabled')::boolean, w.enabled),
    failures = case when (changes ->> 'enabled')::boolean then 0 else w.failures end, updated_at = clock_timestamp()
  where w.id = webhook and w.user_id is not distinct from auth.uid();
  if not found then
    raise exception 'there is no webhook % of yours', webhook using errcode = 'SIM54';
  end if;
  if not (changes ->> 'enabled')::boolean then
    update public.agent_webhook_deliveries d set status = 'failed', error = 'The webhook is not enabled.'
    where d.webhook_id = webhook and d.status = 'pending';
  end if;
end $$;

-- Deletes a webhook with its deliveries.
create function simplon.delete_webhook(webhook uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  delete from public.agent_webhooks w where w.id = webhook and w.user_id is not distinct from auth.uid();
  if not found then
    raise exception 'there is no webhook % of yours', webhook using errcode = 'SIM54';
  end if;
end $$;

-- Delivers once more, under the same id, what was delivered or given up.
create function simplon.redeliver(webhook uuid, delivery uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  is_enabled boolean;
begin
  select w.enabled into is_enabled from public.agent_webhooks w
  where w.id = webhook and w.user_id is not distinct from auth.uid();
  update public.agent_webhook_deliveries d set
    status = 'pending', attempts = 0, since = clock_timestamp(), next_attempt_at = clock_timestamp()
  where is_enabled and d.id = delivery and d.webhook_id = webhook and d.status <> 'pending';
  if found then
    return;
  elsif is_enabled is null or not exists (
    select from public.agent_webhook_deliveries d where d.id = delivery and d.webhook_id = webhook) then
    raise exception 'there is no delivery % of a webhook % of yours', delivery, webhook using errcode = 'SIM54';
  elsif not is_enabled then
    raise exception 'the webhook is not enabled'
      using errcode = 'SIM05', hint = 'Enable it first: PATCH with {"enabled": true}.';
  end if;
end $$;

-- Takes deliveries whose time has come, for two minutes: what nobody says the outcome of is tried again after that. Of each
-- user at most four are under way, so that nobody's slow receivers keep the others' waiting: `busy` has the owner of each
-- that the caller is about, as `owner` says it. The owners are found by one look into the index for each.
create function simplon.take_deliveries(most integer, busy uuid[] default '{}')
returns table (id uuid, owner uuid, attempt integer, sent_at bigint, url text, secret text, payload text)
language sql security definer set search_path = ''
as $$
  with recursive owners (id) as (
    (select simplon.owner_key(d.user_id)
    from public.agent_webhook_deliveries d where d.status = 'pending' order by 1 limit 1)
    union all
    select (
      select simplon.owner_key(d.user_id) from public.agent_webhook_deliveries d
      where d.status = 'pending' and simplon.owner_key(d.user_id) > o.id
      order by 1 limit 1)
    from owners o where o.id is not null),
  chosen as materialized (
    select o.id, 4 - cardinality(array_positions(busy, o.id)) as free
    from owners o cross join lateral (
      select d.next_attempt_at from public.agent_webhook_deliveries d join public.agent_webhooks w on w.id = d.webhook_id
      where simplon.owner_key(d.user_id) = o.id and d.status = 'pending' and d.next_attempt_at <= now() and w.enabled
      order by d.next_attempt_at limit 1) as oldest
    where cardinality(array_positions(busy, o.id)) < 4
    order by oldest.next_attempt_at limit most),
  due as materialized (
    select x.id, c.id as owner from chosen c cross join lateral (
      select d.id, d.next_attempt_at
      from public.agent_webhook_deliveries d join public.agent_webhooks w on w.id = d.webhook_id
      where simplon.owner_key(d.user_id) = c.id and d.status = 'pending' and d.next_attempt_at <= now() and w.enabled
      order by d.next_attempt_at limit c.free for update of d skip locked) as x
    order by x.next_attempt_at limit most),
  taken as (
    update public.agent_webhook_deliveries d set
      attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + interval '2 minutes'
    from due where d.id = due.id returning d.id, due.owner, d.attempts, d.webhook_id, d.payload)
  select t.id, t.owner, t.attempts, floor(extract(epoch from clock_timestamp()))::bigint, w.url, x.secret, t.payload::text
  from taken t join public.agent_webhooks w on w.id = t.webhook_id
  join simplon.webhook_secrets x on x.webhook_id = t.webhook_id
$$;

-- Takes the outcome of an attempt: the answer's status, or why there was none. A status of 200 to 299 is a success, 410 the
-- end of the webhook. Else it is tried again, after 5 s, 20 s, 80 s, and so on up to 4 hours, until a day is over; a webhook
-- of which ten deliveries in a row were given up is no longer enabled, which the audit log tells.
create function simplon.settle_delivery(delivery uuid, attempt integer, response integer, problem text) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  d public.agent_webhook_deliveries;
  is_enabled boolean;
begin
  -- Before its deliveries, as all who end several of them do.
  perform from public.agent_webhooks w join public.agent_webhook_deliveries x on x.webhook_id = w.id
  where x.id = delivery for no key update of w;
  select x.* into d from public.agent_webhook_deliveries x
  where x.id = delivery and x.attempts = attempt and x.status = 'pending' for update;
  if not found then
    return;
  end if;
  if response between 200 and 299 then
    update public.agent_webhook_deliveries x set
      status = 'delivered', response_status = response, error = null, delivered_at = clock_timestamp()
    where x.id = d.id;
    update public.agent_webhooks w set failures = 0 where w.id = d.webhook_id and w.failures > 0;
    return;
  end if;
  update public.agent_webhook_deliveries x set
    status = case when response = 410 or d.since < clock_timestamp() - interval '1 day' then 'failed' else 'pending' end,
    response_status = response, error = coalesce(problem, 'The answer''s status is ' || response || '.'),
    next_attempt_at = clock_timestamp()
      + least(5 * 4 ^ least(attempt - 1, 10), 14400) * (0.9 + 0.2 * random()) * interval '1 second'
  where x.id = d.id returning x.status into d.status;
  if d.status = 'failed' then
    update public.agent_webhooks w set
      failures = w.failures + 1, enabled = w.enabled and w.failures < 9 and response is distinct from 410,
      updated_at = clock_timestamp()
    where w.id = d.webhook_id returning w.enabled into is_enabled;
    if not is_enabled then
      update public.agent_webhook_deliveries x set status = 'failed', error = 'The webhook is not enabled.'
      where x.webhook_id = d.webhook_id and x.status = 'pending';
    end if;
  end if;
end $$;

-- Forgets deliveries after thirty days, so many at a time; gives how many.
create function simplon.sweep_deliveries(most integer default 10000) returns bigint
language sql security definer set search_path = ''
as $$
  with gone as (
    delete from public.agent_webhook_deliveries d where d.id in (
      select x.id from public.agent_webhook_deliveries x
      where x.created_at < now() - interval '30 days'
        -- One that nobody has ended in its day is a disabled webhook's.
        and (x.status <> 'pending' or x.since < now() - interval '2 days')
      order by x.created_at limit most for update skip locked)
    returning 1)
  select count(*) from gone
$$;

create trigger agent_webhooks_audit after insert or update or delete on public.agent_webhooks
  for each row when (pg_trigger_depth() = 0)
  execute function simplon.audit('webhook', 'agent_webhooks', 'id', 'failures', 'updated_at');

alter table public.agent_webhooks enable row level security;
alter table public.agent_webhooks force row level security;
revoke all on public.agent_webhooks from public, anon, authenticated, service_role;
grant select on public.agent_webhooks to authenticated, service_role;
-- So that an operator can stop a user's.
grant update (enabled), delete on public.agent_webhooks to service_role;
create policy agent_webhooks_read_own on public.agent_webhooks for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_webhooks_service on public.agent_webhooks to service_role using (true) with check (true);
alter table public.agent_webhook_deliveries enable row level security;
alter table public.agent_webhook_deliveries force row level security;
revoke all on public.agent_webhook_deliveries from public, anon, authenticated, service_role;
grant select on public.agent_webhook_deliveries to authenticated, service_role;
create policy agent_webhook_deliveries_read_own on public.agent_webhook_deliveries for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_webhook_deliveries_service on public.agent_webhook_deliveries to service_role
  using (true) with check (true);
revoke all on simplon.webhook_secrets from public, anon, authenticated, service_role;

revoke all on function simplon.notify_webhooks(), simplon.save_webhook(jsonb, text), simplon.change_webhook(uuid, jsonb),
  simplon.delete_webhook(uuid), simplon.redeliver(uuid, uuid), simplon.take_deliveries(integer, uuid[]),
  simplon.settle_delivery(uuid, integer, integer, text), simplon.sweep_deliveries(integer)
  from public, anon, authenticated, service_role;
grant execute on function simplon.save_webhook(jsonb, text), simplon.change_webhook(uuid, jsonb),
  simplon.delete_webhook(uuid), simplon.redeliver(uuid, uuid) to authenticated, service_role;
grant execute on function simplon.take_deliveries(integer, uuid[]),
  simplon.settle_delivery(uuid, integer, integer, text), simplon.sweep_deliveries(integer) to service_role;
