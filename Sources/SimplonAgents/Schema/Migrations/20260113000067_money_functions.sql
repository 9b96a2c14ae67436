-- Reserving and settling what models cost. Locks are taken in one order by all: run_state by run, rows of the ledger, then
-- simplon.spending by day, scope and id, so that who books yesterday's call and reserves today's keeps it too. Each question waits for this: what is called for each is in
-- PL/pgSQL, which keeps its plans, or has no settings of its own, so that it is put in where it is called.
-- SIM30 a cap would be passed, SIM31 a model without a price.

-- The root of a run's tree. A root that was deleted has left its children without a parent, each a root of its own.
create function simplon.root_of_run(run uuid) returns uuid
language plpgsql stable set search_path = ''
as $$
begin
  return (
    with recursive above as (
      select r.id, r.parent_id, 1 as depth from public.agent_runs r where r.id = run
      union all
      select p.id, p.parent_id, a.depth + 1 from above a join public.agent_runs p on p.id = a.parent_id
      where a.depth < 1000)
    select a.id from above a order by a.depth desc limit 1);
end $$;

-- The caps of a run, narrowest first; null where there is none. A run's own max_cost holds for it, and, where it is the
-- root, for its whole tree.
create function simplon.caps_of(run uuid, root uuid, caps jsonb) returns table (scope smallint, name text, cap numeric)
language sql stable
as $$
  select c.* from public.agent_runs r left join public.agent_runs t on t.id = root
  cross join lateral (values
    (0::smallint, 'call', least((r.budget ->> 'max_cost_per_call')::numeric, (caps ->> 'call')::numeric)),
    (1::smallint, 'run', least((r.budget ->> 'max_cost')::numeric, (caps ->> 'run')::numeric)),
    (2::smallint, 'tree', least((t.budget ->> 'max_cost')::numeric, (caps ->> 'tree')::numeric)),
    (3::smallint, 'user_day', (caps ->> 'user_day')::numeric),
    (4::smallint, 'day', (caps ->> 'day')::numeric)) as c (scope, name, cap)
  where r.id = run
$$;

-- The first cap that so much more would pass: {scope, cap, used, amount}; null when there is none.
create function simplon.cap_passed(run uuid, root uuid, owner uuid, amount numeric, caps jsonb) returns jsonb
language plpgsql volatile set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select jsonb_build_object('scope', c.name, 'cap', c.cap, 'used', coalesce(p.spent + p.reserved, 0), 'amount', amount)
    from simplon.caps_of(run, root, caps) c
    left join simplon.scopes_of(run, root, owner, (now() at time zone 'UTC')::date) s on s.scope = c.scope
    left join simplon.spending p on p.scope = s.scope and p.id = s.id and p.day = s.day
    where coalesce(p.spent + p.reserved, 0) + amount > c.cap
    order by c.scope limit 1);
end $$;

-- Reserves about what a request to a model may cost, right before it is sent. The request: {id, run_id, epoch, attempt,
-- step_id, model, input, output, unbilled}, with the tokens that the input is reckoned to have, all of which may be written
-- to a cache, and the most that the output can have. Unbilled are the step's calls so far that cost nothing, whose
-- reservations end. The caps are the operator's: {call, run, tree, user_day, day}. The same call again is the same
-- reservation. A cost above it is booked as it is, so that the next call finds the cap passed. Where it is only a try, as in
-- the write that begins the step, it gives whether there is a reservation, and says nothing of what speaks against it: that
-- is said to whoever puts the question and then reserves.
create function simplon.reserve_model_call(request jsonb, caps jsonb, is_try boolean default false) returns boolean
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
declare
  run uuid := (request ->> 'run_id')::uuid;
  root uuid := run;
  owner uuid;
  parent uuid;
  budget jsonb;
  price simplon.model_prices;
  amount numeric;
  is_capped boolean;
  passed jsonb;
  call uuid := (request ->> 'id')::uuid;
  today date := (now() at time zone 'UTC')::date;
begin
  select s.user_id into owner from simplon.run_state s
  where s.run_id = run and s.epoch = (request ->> 'epoch')::integer and s.worker is not null for update;
  if not found then
    if is_try then
      return false;
    end if;
    raise exception 'run % is no longer held in epoch %', run, request ->> 'epoch' using errcode = 'SIM01';
  end if;
  if exists (select from public.agent_model_calls c where c.id = call) then
    return true;
  end if;
  if request -> 'unbilled' <> '[]' then
    perform simplon.book_model_calls((
      select jsonb_agg(jsonb_build_object('id', c.id, 'basis', 'none')) from public.agent_model_calls c
      where c.run_id = run and c.epoch = (request ->> 'epoch')::integer and c.state = 'reserved'
        and c.id = any (array(select jsonb_array_elements_text(request -> 'unbilled'))::uuid[])));
  end if;
  select r.budget, r.parent_id into budget, parent from public.agent_runs r where r.id = run;
  if parent is not null then
    root := simplon.root_of_run(run);
  end if;
  select p.* into price from simplon.price_of(request ->> 'model', now()) p;
  is_capped := exists (select from simplon.caps_of(run, root, caps) c where c.cap is not null);
  if price.model is not null then
    amount := trim_scale(0.000001 * (
      greatest(price.input, price.cache_write) * (request ->> 'input')::bigint
      + price.output * (request ->> 'output')::bigint));
  elsif is_capped then
    if is_try then
      return false;
    end if;
    raise exception 'the model % has no price, so nobody can say whether it stays within the caps', request ->> 'model'
      using errcode = 'SIM31', hint = 'The operator sets prices; see docs/prompts.md.';
  end if;
  if is_capped then
    insert into simplon.spending (scope, id, day)
    select s.scope, s.id, s.day from simplon.scopes_of(run, root, owner, today) s order by s.scope
    on conflict on constraint spending_pkey do nothing;
    perform 1 from simplon.spending p
    where (p.scope, p.id, p.day) in (select s.scope, s.id, s.day from simplon.scopes_of(run, root, owner, today) s)
    order by p.day, p.scope, p.id for update;
    passed := simplon.cap_passed(run, root, owner, amount, caps);
  end if;
  if passed is not null then
    if is_try then
      return false;
    end if;
    -- What all have spent is not each one's to know.
    if passed ->> 'scope' = 'day' then
      passed := passed - 'used';
    end if;
    raise exception 'the cap of % USD for the % would be passed% by the next question, which may cost about %',
      passed ->> 'cap',
      case passed ->> 'scope' when 'call' then 'question' when 'tree' then 'tree of runs' when 'user_day' then 'user''s day'
        else passed ->> 'scope' end,
      coalesce(', as ' || (passed ->> 'used') || ' are spent or reserved,', ''), amount
      using errcode = 'SIM30',
        detail = (passed || jsonb_build_object('on_limit', coalesce(budget ->> 'on_limit', 'fail')))::text;
  end if;
  insert into public.agent_model_calls (
    id, run_id, root_id, attempt, step_id, epoch, user_id, model, reserved, output_limit, day, created_at)
  values (
    call, run, root, (request ->> 'attempt')::integer, request ->> 'step_id', (request ->> 'epoch')::integer, owner,
    request ->> 'model', amount, (request ->> 'output')::bigint, today, now());
  if amount is not null then
    insert into simplon.spending as p (scope, id, day, reserved)
    select s.scope, s.id, s.day, amount from simplon.scopes_of(run, root, owner, today) s order by s.scope
    on conflict on constraint spending_pkey do update set reserved = p.reserved + excluded.reserved;
  end if;
  return true;
end $$;

-- Books the ends of calls that are reserved: {id, basis, input, cache_read, cache_write, cache_write_hour, output}. Whoever
-- calls it holds their runs' run_state rows, and has set how it is planned. Gives the ids of what it has booked.
create function simplon.book_model_calls(ends jsonb) returns uuid[]
language plpgsql set search_path = ''
as $$
declare
  booked uuid[];
begin
  with ended as materialized (
    select e.id, e.basis, e.input, e.cache_read, e.cache_write, e.cache_write_hour,
      case e.basis when 'partial' then greatest(e.output, c.output_limit) else e.output end as output, p as price
    from jsonb_to_recordset(ends) as e (
      id uuid, basis text, input bigint, cache_read bigint, cache_write bigint, cache_write_hour bigint, output bigint)
    join public.agent_model_calls c on c.id = e.id
    left join lateral simplon.price_of(c.model, c.created_at) p on true),
  done as (
    update public.agent_model_calls c set
      state = case e.basis when 'none' then 'released' else 'settled' end, basis = e.basis,
      input = e.input, cache_read = e.cache_read, cache_write = e.cache_write, cache_write_hour = e.cache_write_hour,
      output = e.output,
      cost = case e.basis when 'none' then 0 when 'assumed' then c.reserved
        else simplon.cost_of(e.price, e.input, e.cache_read, e.cache_write, e.cache_write_hour, e.output) end,
      settled_at = clock_timestamp()
    -- That is what state says too, but by it all open calls would be read.
    from ended e where c.id = e.id and c.settled_at is null
    returning c.id, c.run_id, c.root_id, c.user_id, c.day, c.attempt, c.step_id, c.cost, c.reserved),
  sums as materialized (
    select s.scope, s.id, s.day, sum(coalesce(d.cost, 0)) as cost, sum(coalesce(d.reserved, 0)) as reserved
    from done d cross join lateral simplon.scopes_of(d.run_id, d.root_id, d.user_id, d.day) s
    where coalesce(d.reserved, d.cost) is not null group by s.scope, s.id, s.day),
  locked as materialized (
    select p.scope, p.id, p.day, s.cost, s.reserved
    from sums s join simplon.spending p on p.scope = s.scope and p.id = s.id and p.day = s.day
    order by p.day, p.scope, p.id for update of p),
  spent as (
    update simplon.spending p set spent = p.spent + l.cost, reserved = p.reserved - l.reserved
    from locked l where p.scope = l.scope and p.id = l.id and p.day = l.day),
  steps as (
    update public.agent_steps t set cost = t.cost + d.cost
    from (
      select d.run_id, d.attempt, d.step_id, sum(d.cost) as cost from done d
      where d.cost > 0 group by d.run_id, d.attempt, d.step_id) d
    where t.run_id = d.run_id and t.attempt = d.attempt and t.step_id = d.step_id),
  runs as (
    update public.agent_runs r set cost = r.cost + d.cost
    from (select d.run_id, sum(d.cost) as cost from done d where d.cost > 0 group by d.run_id) d
    where r.id = d.run_id)
  select coalesce(array_agg(d.id), '{}') into booked from done d;
  return booked;
end $$;

-- Settles calls in the transaction of the write that tells what came of them, right after it. Each entry: {run_id, epoch,
-- next, calls[]}, where next is the number that the run's next event has when that write was done; else nothing is.
create function simplon.settle_model_calls(entries jsonb)
returns table (
  model text, basis text, input bigint, cache_read bigint, cache_write bigint, cache_write_hour bigint, output bigint,
  cost numeric)
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  ends jsonb;
  booked uuid[];
begin
  -- run_state is locked by the write before; what was not written there has another epoch or number.
  select coalesce(jsonb_agg(x.ended), '[]') into ends
  from jsonb_to_recordset(entries) as e (run_id uuid, epoch integer, next bigint, calls jsonb)
  join simplon.run_state s on s.run_id = e.run_id and s.epoch = e.epoch and s.next_seq = e.next
  cross join lateral jsonb_array_elements(e.calls) as x (ended)
  -- By its own key: joined, all calls of the run would be read.
  where e.run_id = (select c.run_id from public.agent_model_calls c where c.id = (x.ended ->> 'id')::uuid);
  booked := simplon.book_model_calls(ends);
  return query
    select c.model, c.basis, c.input, c.cache_read, c.cache_write, c.cache_write_hour, c.output, c.cost
    from public.agent_model_calls c where c.id = any (booked);
end $$;

-- Settles calls whose worker lost the run, or ended it without a word about them, at what was reserved: they were reserved
-- right before they were sent, so each may be on the bill. Gives how many.
create function simplon.settle_lost_calls(most integer default 1000) returns integer
language plpgsql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
declare
  locked uuid[];
  lost jsonb;
begin
  select coalesce(array_agg(l.run_id), '{}') into locked from (
    select s.run_id from simplon.run_state s
    -- By what is reserved, which is little: runs that are over are many.
    where s.run_id = any (array(select c.run_id from public.agent_model_calls c where c.state = 'reserved'))
      and exists (
        select from public.agent_model_calls c
        where c.run_id = s.run_id and c.state = 'reserved' and (s.epoch > c.epoch or s.worker is null))
    order by s.run_id limit most for update skip locked) l;
  select jsonb_agg(jsonb_build_object('id', l.id, 'basis', 'assumed')) into lost from (
    select c.id from public.agent_model_calls c left join simplon.run_state s on s.run_id = c.run_id
    where c.state = 'reserved'
      and (s.run_id is null or s.run_id = any (locked) and (s.epoch > c.epoch or s.worker is null))
    order by c.run_id limit most for update of c skip locked) l;
  if lost is null then
    return 0;
  end if;
  return cardinality(simplon.book_model_calls(lost));
end $$;

-- Queues these of the runs that wait for their budget; gives them.
create function simplon.queue_capped(runs uuid[]) returns setof uuid
language sql set search_path = ''
as $$
  select simplon.queue_runs(
    array(
      select s.run_id from simplon.run_state s join public.agent_runs r on r.id = s.run_id
      where s.run_id = any (runs) and s.worker is null and r.status = 'waiting' and r.reason ->> 'code' = 'budget'
      -- Both rows, so that neither is judged as it was before somebody changed it.
      order by s.run_id for no key update of s, r skip locked),
    '{"cause": "budget"}')
$$;

-- Queues the runs whose cap lets them go on: another day has begun, the cap was raised, or others have spent less than they
-- had reserved. Gives them.
create function simplon.queue_within_caps(caps jsonb, most integer default 1000) returns setof uuid
language sql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
  with waiting as materialized (
    select r.id, r.user_id, (r.reason -> 'details' ->> 'amount')::numeric as amount from public.agent_runs r
    where r.status = 'waiting' and r.reason is not null and r.reason ->> 'code' = 'budget'),
  -- No more of them than together stay within the caps of their user's day and of all: the others would only come back.
  fitting as (
    select w.id, w.user_id, sum(w.amount) over (partition by w.user_id order by w.id) as of_user,
      sum(w.amount) over (order by w.id) as of_all
    from waiting w where simplon.cap_passed(w.id, simplon.root_of_run(w.id), w.user_id, w.amount, caps) is null)
  select simplon.queue_capped(array(
    select f.id from fitting f
    left join simplon.spending u on u.scope = 3 and u.day = (now() at time zone 'UTC')::date
      and u.id = simplon.owner_key(f.user_id)
    left join simplon.spending d on d.scope = 4 and d.day = (now() at time zone 'UTC')::date
    where coalesce(f.of_user + coalesce(u.spent + u.reserved, 0) <= (caps ->> 'user_day')::numeric, true)
      and coalesce(f.of_all + coalesce(d.spent + d.reserved, 0) <= (caps ->> 'day')::numeric, true)
    order by f.id limit most))
$$;

-- Goes on with a run, within another budget if one is given: what it names takes the place of what it was, for the run and
-- all below it. Those that wait for their budget are queued; a run that is over is resumed. Gives the new status.
create function simplon.resume_run(run uuid, budget jsonb) returns text
language plpgsql security definer set search_path = ''
as $$
declare
  tree uuid[];
  queued uuid[];
  stands public.task_status;
begin
  if not coalesce((select simplon.owns(r.user_id) from public.agent_runs r where r.id = run), false) then
    raise exception 'there is no run % of yours', run using errcode = 'SIM03';
  end if;
  tree := simplon.lock_tree(run);
  update public.agent_runs r set budget = coalesce(r.budget, '{}') || resume_run.budget
  where r.id = any (tree) and resume_run.budget is not null;
  insert into public.observability_events (user_id, event, resource, resource_id, changed, actor_role, actor_id)
  select r.user_id, 'run.changed', 'agent_runs', r.id::text, '{budget}', auth.role(), auth.uid()
  from public.agent_runs r where r.id = any (tree) and resume_run.budget is not null;
  queued := array(select simplon.queue_capped(tree));
  select r.status into stands from public.agent_runs r where r.id = run;
  if queued = '{}' or stands in ('failed', 'cancelled') then
    return simplon.act_on_run(run, 'resume');
  end if;
  insert into public.observability_events (user_id, event, resource, resource_id, changed, actor_role, actor_id)
  select r.user_id, 'run.resumed', 'agent_runs', r.id::text, '{status}', auth.role(), auth.uid()
  from public.agent_runs r where r.id = run;
  return stands;
end $$;

-- When a run has to be over; what is compared is a time with its offset, whatever the session's time zone.
create function simplon.deadline_of(budget jsonb) returns timestamptz
language sql immutable
as $$ select (budget ->> 'deadline')::timestamptz $$;
create index agent_runs_deadlines on public.agent_runs (simplon.deadline_of(budget))
  where completed_at is null and budget ? 'deadline';

-- Ends the runs whose deadline has passed, in whatever state they are; gives them. Their workers see that they hold them
-- no longer. A step keeps its effect; see simplon.cancel_runs.
create function simplon.end_overdue_runs(most integer default 1000) returns setof uuid
language sql security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
  with due as materialized (
    select s.run_id, simplon.deadline_of(r.budget) as deadline
    from public.agent_runs r join simplon.run_state s on s.run_id = r.id
    where r.completed_at is null and r.budget ? 'deadline' and simplon.deadline_of(r.budget) <= now()
    order by s.run_id limit most for no key update of s, r skip locked),
  state as (
    update simplon.run_state s set epoch = s.epoch + 1, worker = null, lease_until = null, next_seq = s.next_seq + 1
    from due d where s.run_id = d.run_id returning s.run_id, s.user_id, s.next_seq, d.deadline),
  runs as (
    update public.agent_runs r set status = 'failed', reason = null, completed_at = clock_timestamp(),
      updated_at = clock_timestamp(), error = jsonb_build_object(
        'code', 'run.deadline', 'message', 'the run was not over at its deadline',
        'hint', 'Resume it with a later one in "budget".', 'details', jsonb_build_object('deadline', s.deadline))
    from state s where r.id = s.run_id returning r.id, r.attempt, r.error),
  steps as (
    update public.agent_steps t set status = 'cancelled', completed_at = clock_timestamp(), updated_at = clock_timestamp()
    from runs r where t.run_id = r.id and t.attempt = r.attempt and t.status in ('running', 'waiting')),
  unqueued as (
    delete from public.agent_task_queue q using state s where q.run_id = s.run_id),
  events as (
    insert into public.agent_task_logs (run_id, seq, user_id, level, kind, payload)
    select s.run_id, s.next_seq - 1, s.user_id, 'error', 'done', jsonb_build_object('status', 'failed', 'error', r.error)
    from state s join runs r on r.id = s.run_id)
  select r.id from runs r
$$;

-- Forgets what no cap looks at any more: days that are over, and runs that are gone.
create function simplon.sweep_spending() returns void
language sql security definer set search_path = ''
as $$
  delete from simplon.spending p where p.scope in (3, 4) and p.day < (now() at time zone 'UTC')::date - 7;
  delete from simplon.spending p where p.scope in (1, 2)
    and not exists (select from public.agent_runs r where r.id = p.id)
    and not exists (select from public.agent_model_calls c where c.run_id = p.id and c.state = 'reserved');
$$;

revoke all on function simplon.root_of_run(uuid), simplon.caps_of(uuid, uuid, jsonb),
  simplon.cap_passed(uuid, uuid, uuid, numeric, jsonb), simplon.reserve_model_call(jsonb, jsonb, boolean),
  simplon.book_model_calls(jsonb), simplon.settle_model_calls(jsonb),
  simplon.settle_lost_calls(integer), simplon.queue_capped(uuid[]), simplon.queue_within_caps(jsonb, integer), simplon.resume_run(uuid, jsonb),
  simplon.deadline_of(jsonb), simplon.end_overdue_runs(integer), simplon.sweep_spending()
  from public, anon, authenticated, service_role;
grant execute on function simplon.reserve_model_call(jsonb, jsonb, boolean),
  simplon.settle_model_calls(jsonb), simplon.settle_lost_calls(integer), simplon.queue_within_caps(jsonb, integer),
  simplon.end_overdue_runs(integer),
  simplon.sweep_spending() to service_role;
grant execute on function simplon.resume_run(uuid, jsonb) to authenticated, service_role;
