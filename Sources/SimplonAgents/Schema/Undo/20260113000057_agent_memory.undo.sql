drop table simplon.memory_queue, public.agent_memory;
drop function simplon.queue_memory(), simplon.hold_step(uuid, integer, text),
  simplon.put_memory(uuid, integer, text, text, text, text, text, jsonb), simplon.get_memory(text, text, text),
  simplon.delete_memory(uuid, integer, text, text, text, text), simplon.has_vectors(),
  simplon.search_memory(text, real[], text, text, integer), simplon.take_memories(integer),
  simplon.store_embedding(uuid, uuid, real[]);
