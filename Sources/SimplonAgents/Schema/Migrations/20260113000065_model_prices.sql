-- What models cost, in US dollars per million tokens. A price holds from its moment on until the next one of that model;
-- none is ever changed, so what was computed can be computed again. No prices come with Simplon: they are the operator's.
create table simplon.model_prices (
  -- As it is configured: anthropic/NAME or openai/NAME.
  model text not null,
  valid_from timestamptz not null default clock_timestamp(),
  input numeric not null,
  cache_read numeric not null,
  cache_write numeric not null,
  cache_write_hour numeric not null,
  output numeric not null,
  primary key (model, valid_from),
  constraint model_prices_model check (model ~ '^(anthropic|openai)/.' and octet_length(model) <= 263),
  -- Neither NaN nor infinity is below that.
  constraint model_prices_amounts check (
    least(input, cache_read, cache_write, cache_write_hour, output) >= 0
    and greatest(input, cache_read, cache_write, cache_write_hour, output) < 1000000)
);
grant select on simplon.model_prices to service_role;
create trigger model_prices_audit after insert or update or delete on simplon.model_prices
  for each row when (pg_trigger_depth() = 0) execute function simplon.audit('price', 'model_prices', 'model');

-- A model's price at a moment; no row where it has none. This and the next have no settings, so that they are put in where
-- they are called.
create function simplon.price_of(model text, at timestamptz) returns setof simplon.model_prices
language sql stable
as $$
  select p.* from simplon.model_prices p where p.model = price_of.model and p.valid_from <= at
  order by p.valid_from desc limit 1
$$;

-- What tokens cost, exactly: a product has all its digits, a quotient would be rounded.
create function simplon.cost_of(
  price simplon.model_prices, input bigint, cache_read bigint, cache_write bigint, cache_write_hour bigint, output bigint)
returns numeric
language sql immutable
as $$
  select trim_scale(0.000001 * (
    (price).input * input + (price).cache_read * cache_read + (price).cache_write * cache_write
    + (price).cache_write_hour * cache_write_hour + (price).output * output))
$$;

-- Sets a model's price from now on.
create function simplon.set_price(
  model text, input numeric, output numeric, cache_read numeric default null, cache_write numeric default null,
  cache_write_hour numeric default null)
returns void
language sql security definer set search_path = ''
as $$
  insert into simplon.model_prices (model, input, cache_read, cache_write, cache_write_hour, output)
  values (
    model, input, coalesce(cache_read, input), coalesce(cache_write, input),
    coalesce(cache_write_hour, cache_write, input), output)
$$;

revoke all on function simplon.price_of(text, timestamptz),
  simplon.cost_of(simplon.model_prices, bigint, bigint, bigint, bigint, bigint),
  simplon.set_price(text, numeric, numeric, numeric, numeric, numeric)
  from public, anon, authenticated, service_role;
grant execute on function simplon.set_price(text, numeric, numeric, numeric, numeric, numeric) to service_role;
