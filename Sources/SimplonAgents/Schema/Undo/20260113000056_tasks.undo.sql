drop table public.tasks, public.environments;
