drop table public.agent_messages;
