drop function simplon.plan_schedule(uuid), simplon.check_policies(uuid), simplon.save_schedule(jsonb),
  simplon.change_schedule(text, jsonb),
  simplon.delete_schedule(text), simplon.due_schedules(integer),
  simplon.fire_schedule(uuid, timestamptz, jsonb, integer), simplon.fail_schedule(uuid, timestamptz, jsonb),
  simplon.next_due(public.agent_schedules, timestamptz), simplon.next_cron(jsonb, text, timestamptz);
drop table public.agent_schedules;
