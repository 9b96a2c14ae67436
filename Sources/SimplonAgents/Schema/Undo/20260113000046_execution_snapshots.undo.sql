drop function simplon.snapshot_run(uuid);
drop table public.execution_snapshots;
