drop trigger agent_runs_follow on public.agent_runs;
drop function simplon.create_task(jsonb, text, bytea, integer), simplon.follow_run(), simplon.report_execution(jsonb),
  simplon.change_execution(text, jsonb), simplon.report_metrics(jsonb), simplon.find_agent(text);
