drop trigger agent_runs_delete_events on public.agent_runs;
drop table public.agent_task_logs;
drop function simplon.make_month_partitions(text, integer, integer), simplon.months_before(text, interval),
  simplon.drop_month_partitions(text, interval), simplon.has_log_partition(uuid), simplon.delete_events();
