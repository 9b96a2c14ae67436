drop table public.agent_executions;
drop function simplon.count_executions();
