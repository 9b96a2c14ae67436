drop trigger agent_runs_tell_webhooks on public.agent_runs;
drop table public.agent_webhook_deliveries, simplon.webhook_secrets, public.agent_webhooks;
drop function simplon.notify_webhooks(), simplon.save_webhook(jsonb, text), simplon.change_webhook(uuid, jsonb),
  simplon.delete_webhook(uuid), simplon.redeliver(uuid, uuid), simplon.take_deliveries(integer, uuid[]),
  simplon.settle_delivery(uuid, integer, integer, text), simplon.sweep_deliveries(integer);
