drop table public.agent_metrics;
drop function simplon.roll_up_metrics(), simplon.archive_metrics(interval);
