drop table public.agent_instances;
