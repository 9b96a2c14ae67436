drop table simplon.tree_sizes;
drop trigger agent_runs_child_ended on public.agent_runs;
drop function simplon.create_child(uuid, integer, integer, text, jsonb, integer), simplon.wake_waiting_parents(integer),
  simplon.wake_parents(uuid[]), simplon.child_ended();
