drop trigger agent_runs_audit_made on public.agent_runs;
drop trigger agent_runs_audit_acted_on on public.agent_runs;
drop trigger agent_instances_audit on public.agent_instances;
drop trigger agent_executions_audit on public.agent_executions;
drop trigger agent_metrics_audit on public.agent_metrics;
drop trigger system_health_audit on public.system_health;
drop table public.observability_events;
drop function simplon.audit_run(), simplon.audit();
