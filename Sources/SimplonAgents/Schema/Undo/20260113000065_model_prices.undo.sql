drop function simplon.set_price(text, numeric, numeric, numeric, numeric, numeric),
  simplon.cost_of(simplon.model_prices, bigint, bigint, bigint, bigint, bigint), simplon.price_of(text, timestamptz);
drop table simplon.model_prices;
