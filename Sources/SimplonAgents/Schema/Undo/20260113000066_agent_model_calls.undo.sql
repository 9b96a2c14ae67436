drop function simplon.scopes_of(uuid, uuid, uuid, date);
drop table simplon.spending, public.agent_model_calls;
