drop trigger agent_runs_delete_events on public.agent_runs;
drop table public.agent_task_logs;
drop function simplon.make_log_partitions(integer), simplon.drop_log_partitions(interval),
  simplon.has_log_partition(uuid), simplon.delete_events();
