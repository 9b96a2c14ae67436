drop index public.agent_runs_deadlines;
drop function simplon.sweep_spending(), simplon.end_overdue_runs(integer), simplon.deadline_of(jsonb),
  simplon.resume_run(uuid, jsonb), simplon.queue_within_caps(jsonb, integer), simplon.queue_capped(uuid[]),
  simplon.settle_lost_calls(integer), simplon.settle_model_calls(jsonb), simplon.book_model_calls(jsonb),
  simplon.reserve_model_call(jsonb, jsonb, boolean),
  simplon.cap_passed(uuid, uuid, uuid, numeric, jsonb), simplon.caps_of(uuid, uuid, jsonb), simplon.root_of_run(uuid);
