drop trigger agent_runs_resolve on public.agent_runs;
drop trigger agent_runs_workflow_made on public.agent_runs;
drop trigger agent_runs_workflow_followed on public.agent_runs;
drop table public.workflow_executions, public.workflow_versions, public.workflows;
drop function simplon.hash_plan(jsonb), simplon.resolve_workflow(), simplon.follow_workflow(),
  simplon.save_workflow(jsonb), simplon.change_workflow(text, jsonb), simplon.delete_workflow(text);
