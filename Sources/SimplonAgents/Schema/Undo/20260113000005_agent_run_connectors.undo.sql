drop table public.agent_run_connectors;
