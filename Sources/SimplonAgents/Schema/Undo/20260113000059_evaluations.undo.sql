drop trigger agent_executions_forget_score on public.agent_executions;
drop index public.agent_executions_without_score;
drop table simplon.evaluations;
drop function simplon.forget_score(), simplon.take_evaluations(integer),
  simplon.store_score(uuid, timestamptz, double precision);
