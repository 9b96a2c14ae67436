drop table public.agent_task_queue;
