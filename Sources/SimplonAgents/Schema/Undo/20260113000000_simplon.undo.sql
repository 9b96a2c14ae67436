drop function simplon.uuid_v7(), simplon.uuid_v7_floor(timestamptz), simplon.owner_key(uuid), simplon.refuse_change();
drop table simplon.workers, simplon.settings;
drop type public.agent_type, public.agent_status, public.task_status;
