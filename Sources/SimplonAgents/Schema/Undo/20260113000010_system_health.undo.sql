drop table public.system_health;
