-- The extension stays: others may use it.
drop function if exists public.match_tasks;
drop function simplon.add_vectors();
alter table public.tasks drop column if exists embedding;
alter table public.agent_memory drop column if exists embedding;
