drop function simplon.report_worker(uuid, text, text, integer, integer, integer, text, boolean, interval),
  simplon.renew_leases(uuid, uuid[], interval),
  simplon.retire_worker(uuid),
  simplon.recover_runs(integer), simplon.queue_waiting(text, text[], integer),
  simplon.append_lines(uuid, integer, bigint, text[], text[], text[], text[], boolean[]),
  simplon.settle_steps(jsonb), simplon.oldest_transaction_seconds(), simplon.sweep(), simplon.delete_runs(interval, integer),
  simplon.settle_setting(text, text), simplon.take_turn(text, interval);
