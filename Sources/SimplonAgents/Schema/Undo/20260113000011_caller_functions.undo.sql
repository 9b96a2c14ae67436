drop trigger agent_runs_prepare on public.agent_runs;
drop trigger agent_runs_enqueue on public.agent_runs;
drop table simplon.tickets;
drop function simplon.prepare_run(), simplon.enqueue_run(), simplon.create_run(jsonb, text, bytea, integer),
  simplon.act_on_run(uuid, text), simplon.why_run(uuid), simplon.owns(uuid),
  simplon.lock_tree(uuid), simplon.cancel_runs(uuid[]), simplon.queue_runs(uuid[], jsonb, text),
  simplon.issue_ticket(uuid, bytea, timestamptz), simplon.redeem_ticket(bytea, uuid);
