drop table simplon.run_state, public.agent_runs;
