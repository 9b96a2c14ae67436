drop table public.agent_steps;
