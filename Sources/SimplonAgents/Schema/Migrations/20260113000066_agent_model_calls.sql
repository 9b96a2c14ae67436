-- The ledger of what models cost: one row per request to a vendor. A row is a reservation before the request is sent, and
-- is settled with what came of it. It outlives its run, as the money is spent.
create table public.agent_model_calls (
  -- The worker's, so that a reservation whose outcome was unknown can be sent again.
  id uuid primary key,
  run_id uuid not null,
  -- The run at the top of the tree.
  root_id uuid not null,
  attempt integer not null,
  step_id text not null,
  epoch integer not null,
  user_id uuid,
  model text not null,
  state text not null default 'reserved',
  -- How the cost is known: by the vendor's usage; partial, where the reply broke off after the vendor had said what its
  -- input was, with the most output there could be; assumed, at what was reserved; none, as the vendor refused.
  basis text,
  input bigint,
  cache_read bigint,
  cache_write bigint,
  cache_write_hour bigint,
  output bigint,
  -- US dollars; null where the model had no price.
  reserved numeric,
  cost numeric,
  -- The most tokens of the reply.
  output_limit bigint not null,
  -- Of UTC.
  day date not null,
  created_at timestamptz not null default clock_timestamp(),
  settled_at timestamptz,
  constraint agent_model_calls_state check (state in ('reserved', 'settled', 'released')),
  constraint agent_model_calls_basis check (
    (basis is null) = (state = 'reserved') and basis in ('usage', 'partial', 'assumed', 'none')),
  constraint agent_model_calls_settled check ((settled_at is null) = (state = 'reserved'))
) with (fillfactor = 70);
create index agent_model_calls_of_run on public.agent_model_calls (run_id);
create index agent_model_calls_of_user on public.agent_model_calls (user_id, day);
create index agent_model_calls_of_day on public.agent_model_calls (day);
-- Few: what is asked just now.
create index agent_model_calls_open on public.agent_model_calls (run_id) where state = 'reserved';

alter table public.agent_model_calls enable row level security;
alter table public.agent_model_calls force row level security;
revoke all on public.agent_model_calls from public, anon, authenticated, service_role;
grant select on public.agent_model_calls to authenticated, service_role;
create policy agent_model_calls_read_own on public.agent_model_calls for select to authenticated
  using ((select auth.uid()) = user_id);
create policy agent_model_calls_service on public.agent_model_calls to service_role using (true) with check (true);

-- What is spent and reserved in each scope that can have a cap: 1 a run, 2 a tree of runs by its root, 3 a user's day,
-- 4 a day of all. The numbers are also the order in which rows are locked.
create table simplon.spending (
  scope smallint not null,
  -- The run's, the root's or the user's; zeros for nobody and for all.
  id uuid not null,
  -- Of UTC; -infinity for runs, which have no day.
  day date not null,
  spent numeric not null default 0,
  reserved numeric not null default 0,
  primary key (scope, id, day),
  constraint spending_scope check (scope between 1 and 4)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
grant select on simplon.spending to service_role;

-- The scopes of a call.
create function simplon.scopes_of(run uuid, root uuid, owner uuid, today date)
returns table (scope smallint, id uuid, day date)
language sql immutable
as $$
  values (1::smallint, run, '-infinity'::date), (2::smallint, root, '-infinity'::date),
    (3::smallint, simplon.owner_key(owner), today),
    (4::smallint, simplon.owner_key(null), today)
$$;
revoke all on function simplon.scopes_of(uuid, uuid, uuid, date) from public, anon, authenticated, service_role;
