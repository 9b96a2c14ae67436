drop table public.agent_metrics;
drop function simplon.make_month_partitions(text, integer, integer), simplon.months_before(text, interval),
  simplon.roll_up_metrics(), simplon.archive_metrics(interval);
