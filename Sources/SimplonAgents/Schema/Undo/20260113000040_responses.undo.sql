drop trigger agent_runs_park_for_person on public.agent_runs;
drop function simplon.respond_to_run(uuid, text, jsonb), simplon.hear_responses(uuid, integer), simplon.park_for_person();
