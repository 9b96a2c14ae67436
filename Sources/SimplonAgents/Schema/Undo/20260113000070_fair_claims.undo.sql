drop function simplon.claim_runs(uuid, integer, interval, integer), simplon.cap_reason(uuid),
  simplon.set_run_caps(integer, integer), simplon.charge_use(uuid[], double precision[]), simplon.forget_use(),
  simplon.watch_database();
drop table simplon.recent_use;
drop index public.agent_task_queue_lanes;
drop index simplon.run_state_running;
drop function simplon.decayed(double precision, timestamptz), simplon.lane(uuid);
delete from simplon.settings where name in ('runs_per_user', 'runs_total');
