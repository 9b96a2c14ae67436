drop table public.agent_artifacts;
