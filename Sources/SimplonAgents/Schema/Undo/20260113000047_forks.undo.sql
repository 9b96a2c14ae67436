drop trigger agent_runs_hand_down on public.agent_runs;
drop function simplon.hand_down(), simplon.fork_run(uuid, jsonb, integer), simplon.steps_after(jsonb, text);
alter table public.agent_steps drop column origin_run, drop column origin_attempt;
alter table public.agent_messages drop column origin_run, drop column origin_attempt;
